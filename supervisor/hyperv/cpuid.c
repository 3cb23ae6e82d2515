/*
 * What is offered is what costs the guest no exit: see docs/hyper-v.md for what is left out, and why.
 */
#include "supervisor/hyperv/cpuid.h"

#include <string.h>

#include "base/macro.h"
#include "ipc/manifest.h"

enum {
    LEAF_FEATURES = 0x40000003,
    MAX_LEAF = 0x4000000a, /* Linux reads this one when it is there; KVM's own detection does too */
    VERSION_BUILD = 20348, /* what Windows Server 2022's says */
    VERSION_MAJOR = 10,
};

/* Leaf 3. @spec TLFS 2.4 (feature discovery) */
enum {
    /* EAX: groups of MSRs that may be used */
    MAY_TIME_REF_COUNT = 1 << 1,
    MAY_SYNIC = 1 << 2,
    MAY_HYPERCALL_MSRS = 1 << 5,
    MAY_VP_INDEX = 1 << 6,
    MAY_REFERENCE_TSC = 1 << 9,
    MAY_FREQUENCY_MSRS = 1 << 11,
    MAY_TSC_INVARIANT = 1 << 15,
    MSRS = MAY_TIME_REF_COUNT | MAY_SYNIC | MAY_HYPERCALL_MSRS | MAY_VP_INDEX | MAY_REFERENCE_TSC |
           MAY_FREQUENCY_MSRS,
    /* EBX: hypercalls */
    MAY_POST_MESSAGES = 1 << 4,
    MAY_SIGNAL_EVENTS = 1 << 5,
    CALLS = MAY_POST_MESSAGES | MAY_SIGNAL_EVENTS,
    /* EDX */
    HAS_FREQUENCY_MSRS = 1 << 8,
    HAS_CRASH_MSRS = 1 << 10,
    HAS = HAS_FREQUENCY_MSRS | HAS_CRASH_MSRS,
};

/* Leaf 4 */
enum {
    HINT_RELAXED_TIMING = 1 << 5, /* no watchdog that panics because the host was busy */
    HINT_NO_AUTO_EOI = 1 << 9, /* without it Linux leaves out EOIs that the local APIC waits for */
    HINTS = HINT_RELAXED_TIMING | HINT_NO_AUTO_EOI,
};

static const uint32_t NEVER_TELL_OF_SPINNING = UINT32_MAX;

static const struct cpuid_leaf leaves[] = {
    {0x40000000,    MAX_LEAF,      0x7263694d,             0x666f736f, 0x76482074}, /* "Microsoft Hv" */
    {0x40000001,    0x31237648,    0,                      0,          0         }, /* "Hv#1" */
    {0x40000002,    VERSION_BUILD, VERSION_MAJOR << 16,    0,          0         },
    {LEAF_FEATURES, MSRS,          CALLS,                  0,          HAS       },
    {0x40000004,    HINTS,         NEVER_TELL_OF_SPINNING, 0,          0         },
    {0x40000005,    VPS_MAX,       VPS_MAX,                0,          0         },
};

/*
 * There, and zero: for a leaf that is not there KVM may answer with the highest basic one's data, and Linux
 * looks at the last two without looking at the largest leaf.
 */
static const struct {
    uint32_t first, last;
} zero_leaves[] = {
    {0x40000006, 0x4000000f},
    {0x40000080, 0x40000082},
};

size_t hv_cpuid_leaves(bool tsc_invariant, struct cpuid_leaf ret[PARTITION_MAX_LEAVES])
{
    size_t n = COUNT_OF(leaves);

    memcpy(ret, leaves, sizeof(leaves));
    for (size_t i = 0; i < n; i++) {
        if (ret[i].leaf == LEAF_FEATURES && tsc_invariant)
            ret[i].eax |= MAY_TSC_INVARIANT;
    }
    for (size_t i = 0; i < COUNT_OF(zero_leaves); i++) {
        for (uint32_t leaf = zero_leaves[i].first; leaf <= zero_leaves[i].last; leaf++)
            ret[n++] = (struct cpuid_leaf){.leaf = leaf};
    }
    return n;
}
