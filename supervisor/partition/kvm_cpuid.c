#include "supervisor/partition/kvm_cpuid.h"

#include <cpuid.h>
#include <errno.h>

enum {
    LEAF_FEATURES = 1,
    LEAF_CACHES = 4,
    LEAF_TOPOLOGY = 0xb,
    LEAF_TOPOLOGY_V2 = 0x1f,
};

static const uint32_t LEAF_AMD_FEATURES = 0x80000001;
static const uint32_t LEAF_NAME_FIRST = 0x80000002; /* three leaves of 16 characters */
static const uint32_t LEAF_NAME_LAST = 0x80000004;
static const uint32_t LEAF_POWER = 0x80000007;
static const uint32_t LEAF_AMD_SIZES = 0x80000008;
static const uint32_t LEAF_AMD_SVM = 0x8000000a;
static const uint32_t LEAF_AMD_CACHES = 0x8000001d;
static const uint32_t LEAF_AMD_TOPOLOGY = 0x8000001e;
static const uint32_t LEAF_AMD_TOPOLOGY_V2 = 0x80000026;

static const uint32_t VENDOR_AMD = 0x68747541;   /* "Auth"enticAMD */
static const uint32_t VENDOR_HYGON = 0x6f677948; /* "Hygo"nGenuine */

/* The 4 bits that say: this leaf is the hypervisor's. */
static const uint32_t HYPERVISOR_MASK = 0xf0000000;
static const uint32_t HYPERVISOR_RANGE = 0x40000000;

static const uint32_t POWER_D_INVARIANT_TSC = 1u << 8;
static const uint32_t FEATURE_C_VMX = 1u << 5;
static const uint32_t FEATURE_C_TSC_DEADLINE = 1u << 24;
static const uint32_t FEATURE_C_XSAVE = 1u << 26;
static const uint32_t FEATURE_C_OSXSAVE = 1u << 27;
static const uint32_t FEATURE_C_HYPERVISOR = 1u << 31;
static const uint32_t FEATURE_D_HTT = 1u << 28; /* more than one logical processor a package */
static const uint32_t AMD_FEATURE_C_CMP_LEGACY = 1u << 1;
static const uint32_t AMD_FEATURE_C_SVM = 1u << 2;

enum {
    LEVEL_INVALID = 0,
    LEVEL_SMT = 1,
    LEVEL_CORE = 2,
    CACHE_LEVEL_SHARED = 3,
};

/* Bits that number n things. */
static unsigned bits_for(unsigned n)
{
    unsigned bits = 0;

    while ((1u << bits) < n)
        bits++;
    return bits;
}

static struct kvm_cpuid_entry2 *find(struct cpuid_table *c, uint32_t leaf)
{
    for (uint32_t i = 0; i < c->n; i++) {
        if (c->entries[i].function == leaf)
            return &c->entries[i];
    }
    return NULL;
}

/* True when there was such a leaf. */
static bool drop(struct cpuid_table *c, uint32_t leaf)
{
    uint32_t kept = 0;
    uint32_t had = c->n;

    for (uint32_t i = 0; i < had; i++) {
        if (c->entries[i].function != leaf)
            c->entries[kept++] = c->entries[i];
    }
    c->n = kept;
    return kept != had;
}

static int add(struct cpuid_table *c, const struct kvm_cpuid_entry2 *e)
{
    if (c->n >= KVM_CPUID_MAX)
        return -ENOBUFS;
    c->entries[c->n++] = *e;
    return 0;
}

static void set_features(struct cpuid_table *c, const struct kvm_cpu *cpu)
{
    struct kvm_cpuid_entry2 *e = find(c, LEAF_FEATURES);

    if (e == NULL)
        return;
    e->ebx = (e->ebx & 0xffff) | cpu->index << 24 | (1u << bits_for(cpu->count)) << 16;
    e->ecx &= ~(FEATURE_C_OSXSAVE | FEATURE_C_TSC_DEADLINE); /* the kernel turns OSXSAVE on */
    e->ecx |= FEATURE_C_HYPERVISOR | (cpu->tsc_deadline ? FEATURE_C_TSC_DEADLINE : 0);
    e->edx &= ~FEATURE_D_HTT;
    e->edx |= cpu->count > 1 ? FEATURE_D_HTT : 0;
}

/* No virtual machines in the guest: the largest attack surface of a host's kernel, for nobody. */
static void hide_virtualization(struct cpuid_table *c)
{
    struct kvm_cpuid_entry2 *features = find(c, LEAF_FEATURES);
    struct kvm_cpuid_entry2 *amd_features = find(c, LEAF_AMD_FEATURES);

    if (features != NULL)
        features->ecx &= ~FEATURE_C_VMX;
    if (amd_features != NULL)
        amd_features->ecx &= ~AMD_FEATURE_C_SVM;
    (void)drop(c, LEAF_AMD_SVM);
}

struct feature_bits {
    uint32_t leaf, index;
    uint32_t eax, ebx, ecx, edx;
};

/* What has registers that only XSAVE turns on: FMA, AVX, F16C; AVX2, AVX-512, vector AES, AMX; XOP, FMA4. */
static const struct feature_bits vector_bits[] = {
    {1,          0, 0,          0,          0x30001000, 0         },
    {7,          0, 0,          0xdc230020, 0x00005e42, 0x03c0010c},
    {7,          1, 0x00a00030, 0,          0,          0x00080430},
    {0x80000001, 0, 0,          0,          0x00010800, 0         },
};

/*
 * QEMU shows AVX also where XSAVE is switched off, and its instructions then fault. Linux's AES module
 * looks for AVX alone, and would die of it.
 */
static void hide_unusable_vectors(struct cpuid_table *c)
{
    const struct kvm_cpuid_entry2 *features = find(c, LEAF_FEATURES);

    if (features == NULL || (features->ecx & FEATURE_C_XSAVE) != 0)
        return;
    for (uint32_t i = 0; i < c->n; i++) {
        struct kvm_cpuid_entry2 *e = &c->entries[i];

        for (size_t j = 0; j < COUNT_OF(vector_bits); j++) {
            const struct feature_bits *bits = &vector_bits[j];

            if (e->function != bits->leaf || e->index != bits->index)
                continue;
            e->eax &= ~bits->eax;
            e->ebx &= ~bits->ebx;
            e->ecx &= ~bits->ecx;
            e->edx &= ~bits->edx;
        }
    }
}

/* Who shares each cache: the third level all, the others nobody. Intel's and AMD's leaf agree. */
static void set_caches(struct cpuid_table *c, const struct kvm_cpu *cpu)
{
    uint32_t ids = (1u << bits_for(cpu->count)) - 1;

    for (uint32_t i = 0; i < c->n; i++) {
        struct kvm_cpuid_entry2 *e = &c->entries[i];
        uint32_t level = e->eax >> 5 & 7;

        if ((e->function != LEAF_CACHES && e->function != LEAF_AMD_CACHES) || (e->eax & 0x1f) == 0)
            continue;
        e->eax &= 0x3fff;
        e->eax |= (level >= CACHE_LEVEL_SHARED ? ids : 0) << 14;
        if (e->function == LEAF_CACHES)
            e->eax |= ids << 26; /* cores of the package */
    }
}

/* @spec Intel SDM 2A CPUID 0BH */
static int set_topology(struct cpuid_table *c, uint32_t leaf, const struct kvm_cpu *cpu)
{
    struct kvm_cpuid_entry2 e = {
        .function = leaf, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .edx = cpu->index};
    int r;

    if (!drop(c, leaf))
        return 0;
    e.ebx = 1;
    e.ecx = LEVEL_SMT << 8;
    r = add(c, &e);
    if (r < 0)
        return r;
    e.index = 1;
    e.eax = bits_for(cpu->count);
    e.ebx = cpu->count;
    e.ecx = LEVEL_CORE << 8 | 1;
    r = add(c, &e);
    if (r < 0)
        return r;
    e.index = 2;
    e.eax = 0;
    e.ebx = 0;
    e.ecx = LEVEL_INVALID << 8 | 2;
    return add(c, &e);
}

static bool is_amd(struct cpuid_table *c)
{
    const struct kvm_cpuid_entry2 *vendor = find(c, 0);

    return vendor != NULL && (vendor->ebx == VENDOR_AMD || vendor->ebx == VENDOR_HYGON);
}

/* @spec AMD APM 3 E.4.7, E.4.17 */
static void set_amd_topology(struct cpuid_table *c, const struct kvm_cpu *cpu)
{
    struct kvm_cpuid_entry2 *features = find(c, LEAF_AMD_FEATURES);
    struct kvm_cpuid_entry2 *sizes = find(c, LEAF_AMD_SIZES);
    struct kvm_cpuid_entry2 *topology = find(c, LEAF_AMD_TOPOLOGY);

    if (topology != NULL) {
        topology->eax = cpu->index; /* APIC id */
        topology->ebx = cpu->index; /* core id; one thread each */
        topology->ecx = 0;          /* node 0 of one */
        topology->edx = 0;
    }
    if (sizes != NULL)
        sizes->ecx = bits_for(cpu->count) << 12 | (cpu->count - 1);
    if (features != NULL) {
        features->ecx &= ~AMD_FEATURE_C_CMP_LEGACY;
        features->ecx |= cpu->count > 1 ? AMD_FEATURE_C_CMP_LEGACY : 0;
    }
}

/* The kernel's own signature must go: a guest that finds two hypervisors picks one. */
static int set_hypervisor(struct cpuid_table *c, const struct kvm_cpu *cpu)
{
    uint32_t kept = 0;
    int r = 0;

    if (cpu->n_leaves == 0)
        return 0;
    for (uint32_t i = 0; i < c->n; i++) {
        if ((c->entries[i].function & HYPERVISOR_MASK) != HYPERVISOR_RANGE)
            c->entries[kept++] = c->entries[i];
    }
    c->n = kept;
    for (size_t i = 0; i < cpu->n_leaves && r == 0; i++) {
        const struct cpuid_leaf *l = &cpu->leaves[i];
        struct kvm_cpuid_entry2 e = {
            .function = l->leaf, .eax = l->eax, .ebx = l->ebx, .ecx = l->ecx, .edx = l->edx};

        r = add(c, &e);
    }
    return r;
}

int kvm_cpuid_for(struct cpuid_table *c, const struct kvm_cpu *cpu)
{
    int r;

    set_features(c, cpu);
    hide_virtualization(c);
    hide_unusable_vectors(c);
    set_caches(c, cpu);
    if (is_amd(c))
        set_amd_topology(c, cpu);
    (void)drop(c, LEAF_AMD_TOPOLOGY_V2);
    r = set_hypervisor(c, cpu);
    if (r < 0)
        return r;
    r = set_topology(c, LEAF_TOPOLOGY, cpu);
    if (r < 0)
        return r;
    return set_topology(c, LEAF_TOPOLOGY_V2, cpu);
}

void kvm_cpuid_add_name(struct cpuid_table *c)
{
    for (uint32_t leaf = LEAF_NAME_FIRST; leaf <= LEAF_NAME_LAST; leaf++) {
        struct kvm_cpuid_entry2 *e = find(c, leaf);

        if (e != NULL)
            (void)__get_cpuid(leaf, &e->eax, &e->ebx, &e->ecx, &e->edx);
    }
}

bool kvm_cpuid_tsc_invariant(const struct cpuid_table *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        if (c->entries[i].function == LEAF_POWER)
            return (c->entries[i].edx & POWER_D_INVARIANT_TSC) != 0;
    }
    return false;
}

unsigned kvm_cpuid_phys_bits(const struct cpuid_table *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        uint32_t bits = c->entries[i].eax & 0xff;

        if (c->entries[i].function == LEAF_AMD_SIZES && bits >= 32 && bits <= 52)
            return bits;
    }
    return 36; /* a processor without that leaf */
}
