#include "init/place.h"

#include "base/fd.h"

void place_init(struct place *p)
{
    *p = (struct place){.config_fd = -1, .report_fd = -1, .vtl2_fd = -1};
    for (int i = 0; i < COM_COUNT; i++)
        p->com_fds[i] = -1;
    for (int i = 0; i < PLACE_ENDS; i++)
        p->end_fds[i] = -1;
}

void place_done(struct place *p)
{
    fd_closep(&p->config_fd);
    fd_closep(&p->report_fd);
    fd_closep(&p->vtl2_fd);
    for (int i = 0; i < COM_COUNT; i++)
        fd_closep(&p->com_fds[i]);
    for (int i = 0; i < PLACE_ENDS; i++)
        fd_closep(&p->end_fds[i]);
}
