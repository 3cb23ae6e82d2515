#include "supervisor/hyperv/hv.h"

#include <errno.h>
#include <string.h>

#include "supervisor/hyperv/reference_tsc.h"
#include "supervisor/hyperv/synic.h"

static void show(struct hv *hv)
{
    struct board *board = hv->config.board;

    hv->row_messages = board_add(board, BOARD_COUNTER, "hyperv/messages_out");
    hv->row_dropped = board_add(board, BOARD_COUNTER, "hyperv/messages_dropped");
    for (unsigned vp = 0; vp < hv->config.n_vps; vp++) {
        struct hv_vp *v = &hv->vps[vp];

        v->row_msrs = board_addf(board, BOARD_COUNTER, "vcpu/%u/msr_exits", vp);
        v->row_hypercalls = board_addf(board, BOARD_COUNTER, "vcpu/%u/hypercalls", vp);
        v->row_posts = board_addf(board, BOARD_COUNTER, "vcpu/%u/messages_in", vp);
        v->row_signals = board_addf(board, BOARD_COUNTER, "vcpu/%u/signals_by_exit", vp);
    }
}

int hv_init(struct hv *hv, const struct hv_config *config)
{
    int r;

    if (config->n_vps == 0 || config->n_vps > VPS_MAX)
        return -EINVAL;
    memset(hv, 0, sizeof(*hv));
    hv->config = *config;
    r = reference_tsc_start(hv);
    if (r == 0)
        r = -pthread_mutex_init(&hv->lock, NULL);
    if (r < 0)
        return r;
    synic_start(hv);
    if (config->board != NULL)
        show(hv);
    return 0;
}
