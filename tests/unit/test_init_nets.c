#include <check.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/shm.h"
#include "init/nets.h"

static struct objects objects;
static const struct nets_page *page;

static void begin(void)
{
    size_t bytes = manifest_object_bytes(OBJECT_NETS, 0);
    void *at;

    objects_init(&objects);
    ck_assert_int_eq(shm_new("nets", bytes, &objects.fds[OBJECT_NETS][0]), 0);
    ck_assert_int_eq(shm_map(objects.fds[OBJECT_NETS][0], bytes, true, &at), 0);
    page = at;
}

static void end(void)
{
    (void)munmap((void *)(uintptr_t)page, manifest_object_bytes(OBJECT_NETS, 0));
    fd_closep(&objects.fds[OBJECT_NETS][0]);
}

/* Two NICs, of which the second one's link may be down. */
static void open_two(bool second_is_down)
{
    static uint8_t mac[] = {2, 0, 0, 0, 0, 1};
    Bulkhead__VmConfig config;
    Bulkhead__Net nets[2], *list[2] = {&nets[0], &nets[1]};
    struct why why = {0};

    bulkhead__vm_config__init(&config);
    for (unsigned i = 0; i < COUNT_OF(nets); i++) {
        bulkhead__net__init(&nets[i]);
        nets[i].kind = NET_DISCARD;
        nets[i].mac = (ProtobufCBinaryData){.data = mac, .len = sizeof(mac)};
        nets[i].mtu = 1500;
        nets[i].channels = 1;
    }
    nets[1].link_down = second_is_down;
    config.nets = list;
    config.n_nets = COUNT_OF(list);
    ck_assert_int_eq(nets_check(list, COUNT_OF(list), &why), 0);
    ck_assert_int_eq(nets_open(&objects, &config, false, &why), 0);
}

START_TEST(links_are_up_at_first)
{
    open_two(false);
    ck_assert_uint_eq(page->rows[0].link_up, 1);
    ck_assert_uint_eq(page->rows[1].link_up, 1);
    ck_assert_uint_eq(nets_links_down(&objects), 0);
}
END_TEST

/* What the end of one VM says is what the next one begins with. */
START_TEST(a_link_that_was_down_is_down_again)
{
    open_two(true);
    ck_assert_uint_eq(page->rows[0].link_up, 1);
    ck_assert_uint_eq(page->rows[1].link_up, 0);
    ck_assert_uint_eq(nets_links_down(&objects), 1u << 1);
}
END_TEST

START_TEST(an_empty_row_has_no_link)
{
    ck_assert_uint_eq(nets_links_down(&objects), 0);
}
END_TEST

START_TEST(without_a_page_no_link_is_down)
{
    struct objects none;

    objects_init(&none);
    ck_assert_uint_eq(nets_links_down(&none), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("init_nets");
    TCase *c = tcase_create("links");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, begin, end);
    tcase_add_test(c, links_are_up_at_first);
    tcase_add_test(c, a_link_that_was_down_is_down_again);
    tcase_add_test(c, an_empty_row_has_no_link);
    tcase_add_test(c, without_a_page_no_link_is_down);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
