#include "cli/packet_filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BULKHEAD_HAS_PCAP
#include <pcap/pcap.h>

#include "ipc/capture.h"

/*
 * libpcap's list of kinds of devices names one for messages of D-Bus, whose library there is no static one of. We open no
 * device at all: the two functions that the list names are here, and libpcap's stay where they are.
 */
pcap_t *dbus_create(const char *device, char *error, int *is_ours);
pcap_t *dbus_create(const char *device, char *error, int *is_ours)
{
    (void)device;
    (void)error;
    *is_ours = 0;
    return NULL;
}

int dbus_findalldevs(void *list, char *error);
int dbus_findalldevs(void *list, char *error)
{
    (void)list;
    (void)error;
    return 0;
}

struct packet_filter {
    struct bpf_program program;
};

static int compile(const char *text, struct bpf_program *ret, char error[PACKET_FILTER_ERROR_BYTES])
{
    pcap_t *p = pcap_open_dead(DLT_EN10MB, CAPTURE_FRAME_MAX);
    int r = 0;

    if (p == NULL)
        return -ENOMEM;
    if (pcap_compile(p, ret, text, 1, PCAP_NETMASK_UNKNOWN) < 0) {
        (void)snprintf(error, PACKET_FILTER_ERROR_BYTES, "%s", pcap_geterr(p));
        r = -EINVAL;
    }
    pcap_close(p);
    return r;
}

int packet_filter_new(const char *text, struct packet_filter **ret,
                      char error[PACKET_FILTER_ERROR_BYTES])
{
    struct packet_filter *f;
    int r;

    if (strlen(text) >= PACKET_FILTER_TEXT_BYTES) {
        (void)snprintf(error, PACKET_FILTER_ERROR_BYTES, "it is too long");
        return -EINVAL;
    }
    f = calloc(1, sizeof(*f));
    r = f == NULL ? -ENOMEM : compile(text, &f->program, error);
    if (r == -ENOMEM)
        (void)snprintf(error, PACKET_FILTER_ERROR_BYTES, "%s", strerror(ENOMEM));
    if (r < 0)
        free(f);
    else
        *ret = f;
    return r;
}

void packet_filter_free(struct packet_filter *f)
{
    if (f != NULL)
        pcap_freecode(&f->program);
    free(f);
}

bool packet_filter_matches(const struct packet_filter *f, const uint8_t *bytes, uint32_t captured,
                           uint32_t len)
{
    const struct pcap_pkthdr head = {.caplen = captured, .len = len};

    return f == NULL || pcap_offline_filter(&f->program, &head, bytes) != 0;
}

#else

int packet_filter_new(const char *text, struct packet_filter **ret,
                      char error[PACKET_FILTER_ERROR_BYTES])
{
    (void)text;
    (void)ret;
    (void)snprintf(error, PACKET_FILTER_ERROR_BYTES, "this program was built without libpcap");
    return -EOPNOTSUPP;
}

void packet_filter_free(struct packet_filter *f)
{
    (void)f;
}

bool packet_filter_matches(const struct packet_filter *f, const uint8_t *bytes, uint32_t captured,
                           uint32_t len)
{
    (void)f;
    (void)bytes;
    (void)captured;
    (void)len;
    return true;
}

#endif
