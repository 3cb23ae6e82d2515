#include "init/card.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

enum {
    MAC_TEXT_BYTES = 18,
    PATH_BYTES = 64 + IF_NAMESIZE,
};

static const char CARDS[] = "/sys/class/net";

static bool has_mac(const char *card, const char *mac)
{
    char path[PATH_BYTES], text[MAC_TEXT_BYTES];
    AUTO_FD fd = -1;

    (void)snprintf(path, sizeof(path), "%s/%.15s/address", CARDS, card);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, text, sizeof(text)) == (ssize_t)sizeof(text) &&
           memcmp(text, mac, MAC_TEXT_BYTES - 1) == 0;
}

static unsigned find_card(const char *mac, char ret_name[IF_NAMESIZE])
{
    DIR *dir = opendir(CARDS);
    unsigned found = 0;

    if (dir == NULL)
        return 0;
    for (const struct dirent *d = readdir(dir); d != NULL && found == 0; d = readdir(dir)) {
        if (d->d_name[0] == '.' || !has_mac(d->d_name, mac))
            continue;
        (void)snprintf(ret_name, IF_NAMESIZE, "%.15s", d->d_name);
        found = if_nametoindex(ret_name);
    }
    (void)closedir(dir);
    return found;
}

unsigned card_wait(const uint8_t mac[6], uint64_t wait_ns, char ret_name[IF_NAMESIZE])
{
    char text[MAC_TEXT_BYTES];
    const struct timespec nap = {.tv_nsec = 2 * 1000 * 1000};
    uint64_t end_ns = clock_now_ns() + wait_ns;
    unsigned index;

    (void)snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                   mac[3], mac[4], mac[5]);
    while ((index = find_card(text, ret_name)) == 0 && clock_now_ns() < end_ns)
        (void)nanosleep(&nap, NULL);
    return index;
}
