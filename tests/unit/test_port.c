#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/port.h"

enum {
    ROUNDS = 3000,
    VCPUS = 3,
    LOOKS = 3000000,
};

static struct port_page *page;
static struct port_client client;
static struct port_server server;
static int bell;

static void reset(void)
{
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(page, MAP_FAILED);
    bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    port_client_init(&client, page, bell);
    ck_assert_int_eq(port_server_init(&server, page, PORT_ASLEEP_FUTEX), 0);
}

static void done(void)
{
    (void)munmap(page, sizeof(*page));
    (void)close(bell);
}

static void post(unsigned slot, uint64_t addr)
{
    const struct port_request rq = {.seq = 999, /* ignored */
                                    .addr = addr,
                                    .data = addr * 3,
                                    .op = PORT_WRITE,
                                    .space = PORT_SPACE_MMIO,
                                    .size = 8};

    port_post(&client, slot, &rq);
}

/* One try, without waiting. */
static int try_wait(unsigned slot, struct port_response *ret)
{
    return port_wait(&client, slot, 0, ret);
}

static uint64_t rings(void)
{
    uint64_t n = 0;

    return read(bell, &n, sizeof(n)) < 0 ? 0 : n;
}

static void pin(pthread_t thread, unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &set);
    (void)pthread_setaffinity_np(thread, sizeof(set), &set);
}

START_TEST(a_request_arrives_whole_and_is_answered)
{
    struct port_request rq = {0};
    struct port_response rs = {0};
    unsigned slot = 99;

    post(5, 0xfed40040);
    ck_assert(port_take(&server, &slot, &rq));
    ck_assert_uint_eq(slot, 5);
    ck_assert_uint_eq(rq.seq, 1);
    ck_assert_uint_eq(rq.addr, 0xfed40040);
    ck_assert_uint_eq(rq.data, 0xfed40040ull * 3);
    ck_assert_uint_eq(rq.op, PORT_WRITE);
    ck_assert_uint_eq(rq.space, PORT_SPACE_MMIO);
    ck_assert_uint_eq(rq.size, 8);
    rs = (struct port_response){.seq = 1, .data = 42, .effect = PORT_EFFECT_RESET};
    port_answer(&server, slot, &rs);
    rs = (struct port_response){0};
    ck_assert_int_eq(try_wait(5, &rs), 0);
    ck_assert_uint_eq(rs.seq, 1);
    ck_assert_uint_eq(rs.data, 42);
    ck_assert_uint_eq(rs.effect, PORT_EFFECT_RESET);
    ck_assert(!port_take(&server, &slot, &rq));
}
END_TEST

START_TEST(all_slots_are_served_and_none_twice)
{
    uint64_t seen = 0;
    struct port_request rq;
    unsigned slot;

    for (unsigned i = 0; i < PORT_SLOTS; i++)
        post(i, i);
    while (port_take(&server, &slot, &rq)) {
        ck_assert_uint_lt(slot, PORT_SLOTS);
        ck_assert_uint_eq(rq.addr, slot);
        ck_assert_uint_eq(seen >> slot & 1, 0);
        seen |= UINT64_C(1) << slot;
        port_answer(&server, slot, &(struct port_response){.seq = rq.seq});
    }
    ck_assert_uint_eq(seen, UINT64_MAX);
}
END_TEST

START_TEST(nothing_is_taken_when_nothing_is_there)
{
    struct port_request rq = {.addr = 77};
    unsigned slot = 99;

    ck_assert(!port_take(&server, &slot, &rq));
    ck_assert_uint_eq(slot, 99);
    ck_assert_uint_eq(rq.addr, 77);
}
END_TEST

START_TEST(a_request_whose_server_died_is_found_by_the_next)
{
    struct port_request rq;
    unsigned slot;

    post(3, 0x64);
    ck_assert(port_take(&server, &slot, &rq)); /* and dies */
    ck_assert_int_eq(port_server_init(&server, page, PORT_ASLEEP_FUTEX), 0);
    ck_assert(port_take(&server, &slot, &rq));
    ck_assert_uint_eq(slot, 3);
    ck_assert_uint_eq(rq.seq, 1);
    port_answer(&server, slot, &(struct port_response){.seq = rq.seq});
    ck_assert_int_eq(port_server_init(&server, page, PORT_ASLEEP_FUTEX), 0);
    ck_assert(!port_take(&server, &slot, &rq));
}
END_TEST

START_TEST(a_page_that_is_no_port_is_refused)
{
    struct port_server other = {.todo = 77};

    page->magic++;
    ck_assert_int_eq(port_server_init(&other, page, PORT_ASLEEP_FUTEX), -EBADMSG);
    ck_assert_uint_eq(other.todo, 77);
}
END_TEST

START_TEST(a_port_that_was_written_over_is_one_again_for_a_successor)
{
    page->magic++;
    port_server_died(&client);
    ck_assert_int_eq(port_server_init(&server, page, PORT_ASLEEP_FUTEX), 0);
}
END_TEST

START_TEST(without_an_answer_the_deadline_ends_the_wait)
{
    struct port_response rs = {.data = 77};
    uint64_t start = clock_now_ns();

    post(0, 1);
    ck_assert_int_eq(port_wait(&client, 0, start + 20 * NS_PER_MS, &rs), -ETIMEDOUT);
    ck_assert_uint_ge(clock_now_ns() - start, 20 * NS_PER_MS);
    ck_assert_uint_eq(rs.data, 77);
    port_answer(&server, 0, &(struct port_response){.seq = 1, .data = 5}); /* the request stands */
    ck_assert_int_eq(try_wait(0, &rs), 0);
    ck_assert_uint_eq(rs.data, 5);
}
END_TEST

START_TEST(an_answer_to_another_request_is_not_seen)
{
    static const uint64_t lies[] = {0, 1, 3, UINT64_MAX};
    struct port_response rs = {.data = 77};

    post(0, 1);
    port_answer(&server, 0, &(struct port_response){.seq = 1});
    ck_assert_int_eq(try_wait(0, &rs), 0);
    rs.data = 77;
    post(0, 2);
    for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        port_answer(&server, 0, &(struct port_response){.seq = lies[i], .data = 5});
        ck_assert_int_eq(try_wait(0, &rs), -ETIMEDOUT);
        ck_assert_uint_eq(rs.data, 77);
    }
}
END_TEST

START_TEST(nobody_turns_the_sequence_back)
{
    struct port_response rs;

    post(0, 1);
    page->slots[0].req_seq = UINT64_MAX;
    page->slots[0].rsp_seq = UINT64_MAX;
    ck_assert_int_eq(try_wait(0, &rs), -ETIMEDOUT);
    post(0, 2);
    ck_assert_uint_eq(page->slots[0].req_seq, 2);
}
END_TEST

START_TEST(a_port_given_up_keeps_nobody_waiting)
{
    struct port_request rq;
    struct port_response rs = {.data = 77};
    unsigned slot;

    post(0, 1);
    port_set_gone(&client, true);
    ck_assert_int_eq(port_wait(&client, 0, UINT64_MAX, &rs), -EHOSTDOWN);
    ck_assert_uint_eq(rs.data, 77);
    /* The guest was told otherwise: who comes later must not execute it. */
    ck_assert_int_eq(port_server_init(&server, page, PORT_ASLEEP_FUTEX), 0);
    ck_assert(!port_take(&server, &slot, &rq));
    port_set_gone(&client, false);
    post(0, 2);
    ck_assert_int_eq(try_wait(0, &rs), -ETIMEDOUT);
    ck_assert(port_take(&server, &slot, &rq));
    ck_assert_uint_eq(rq.addr, 2);
}
END_TEST

START_TEST(how_long_a_request_waits_is_known)
{
    uint64_t before = clock_now_ns();

    ck_assert_uint_eq(port_waiting_since(&client, 0), 0);
    post(0, 1);
    ck_assert_uint_ge(port_waiting_since(&client, 0), before);
    ck_assert_uint_le(port_waiting_since(&client, 0), clock_now_ns());
    ck_assert_uint_eq(port_waiting_since(&client, 1), 0);
    port_answer(&server, 0, &(struct port_response){.seq = 1});
    ck_assert_uint_eq(port_waiting_since(&client, 0), 0);
}
END_TEST

START_TEST(a_heartbeat_is_answered)
{
    ck_assert(port_ponged(&client));
    port_ping(&client);
    ck_assert(!port_ponged(&client));
    ck_assert(!port_sleep_begin(&server)); /* there is something to do */
    port_pong(&server);
    ck_assert(port_ponged(&client));
    ck_assert(port_sleep_begin(&server));
}
END_TEST

START_TEST(who_hands_over_answers_the_heartbeat)
{
    struct port_request rq;
    unsigned slot;

    pin(pthread_self(), 0);
    post(0, 1);
    ck_assert(port_take(&server, &slot, &rq)); /* of a peer on this CPU */
    port_answer(&server, slot, &(struct port_response){.seq = rq.seq});
    port_ping(&client);
    ck_assert(!port_poll(&server));
    ck_assert(port_ponged(&client));
}
END_TEST

START_TEST(one_generation_is_asked_to_leave)
{
    ck_assert(!port_is_to_leave(&server, 1));
    port_ask_to_leave(&client, 1);
    ck_assert(!port_sleep_begin(&server)); /* it looks before it sleeps */
    ck_assert(port_is_to_leave(&server, 1));
    ck_assert(!port_is_to_leave(&server, 2));
}
END_TEST

START_TEST(a_new_server_answers_the_heartbeat_at_once)
{
    port_ping(&client);
    ck_assert_int_eq(port_server_init(&server, page, PORT_ASLEEP_FUTEX), 0);
    ck_assert(port_ponged(&client));
}
END_TEST

START_TEST(who_polls_is_woken_by_its_eventfd)
{
    ck_assert_int_eq(port_server_init(&server, page, PORT_ASLEEP_EVENTFD), 0);
    post(0, 1);
    ck_assert_uint_eq(rings(), 0); /* awake */
    port_answer(&server, 0, &(struct port_response){.seq = 1});
    ck_assert(!port_sleep_begin(&server)); /* it was pending, though it was served */
    ck_assert(!port_take(&server, &(unsigned){0}, &(struct port_request){0}));
    ck_assert(port_sleep_begin(&server));
    post(0, 2);
    ck_assert_uint_eq(rings(), 1);
    port_sleep_end(&server);
    post(1, 2);
    port_ring(&client);
    ck_assert_uint_eq(rings(), 0);
}
END_TEST

START_TEST(a_full_eventfd_blocks_nobody)
{
    const uint64_t most = UINT64_MAX - 1;

    ck_assert_int_eq(write(bell, &most, sizeof(most)), sizeof(most));
    ck_assert_int_eq(port_server_init(&server, page, PORT_ASLEEP_EVENTFD), 0);
    ck_assert(port_sleep_begin(&server));
    port_ring(&client);
    post(0, 1);
}
END_TEST

START_TEST(a_state_of_sleep_that_is_none_blocks_nobody)
{
    page->sleep = 77;
    post(0, 1);
    port_ping(&client);
    client.bell_fd = -1;
    port_ring(&client);
}
END_TEST

START_TEST(who_has_work_must_not_sleep)
{
    post(0, 1);
    ck_assert(!port_sleep_begin(&server));
    ck_assert_uint_eq(page->sleep, PORT_AWAKE);
    ck_assert(port_poll(&server));
    port_sleep(&server, UINT64_MAX / 2); /* returns */
}
END_TEST

START_TEST(sleep_ends_with_its_time)
{
    uint64_t start = clock_now_ns();

    ck_assert(!port_poll(&server));
    port_sleep(&server, 10 * NS_PER_MS);
    ck_assert_uint_ge(clock_now_ns() - start, 10 * NS_PER_MS);
    ck_assert_uint_eq(page->sleep, PORT_AWAKE);
}
END_TEST

/* --- both ends at once --- */

static _Atomic bool stop;

static void *serve(void *arg)
{
    (void)arg;
    while (!stop) {
        struct port_request rq;
        unsigned slot;

        while (port_take(&server, &slot, &rq))
            port_answer(&server, slot, &(struct port_response){.seq = rq.seq, .data = rq.addr + 1});
        port_pong(&server);
        if (!port_poll(&server))
            port_sleep(&server, NS_PER_S);
    }
    return NULL;
}

struct vcpu {
    pthread_t thread;
    unsigned slot;
    unsigned wrong;
};

static void *ask(void *arg)
{
    struct vcpu *v = arg;

    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct port_response rs = {0};
        uint64_t addr = (uint64_t)v->slot << 32 | i;

        post(v->slot, addr);
        if (port_wait(&client, v->slot, clock_now_ns() + 20 * NS_PER_S, &rs) != 0 ||
            rs.data != addr + 1)
            v->wrong++;
        if (i % 500 == 0)
            (void)usleep(1000); /* so that the server falls asleep in between */
    }
    return NULL;
}

static void run_both(unsigned server_cpu, unsigned client_cpu)
{
    struct vcpu vcpus[VCPUS] = {0};
    pthread_t thread;

    stop = false;
    ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
    pin(thread, server_cpu);
    for (unsigned i = 0; i < VCPUS; i++) {
        vcpus[i].slot = i * 31;
        ck_assert_int_eq(pthread_create(&vcpus[i].thread, NULL, ask, &vcpus[i]), 0);
        pin(vcpus[i].thread, client_cpu);
    }
    for (unsigned i = 0; i < VCPUS; i++) {
        ck_assert_int_eq(pthread_join(vcpus[i].thread, NULL), 0);
        ck_assert_uint_eq(vcpus[i].wrong, 0);
    }
    stop = true;
    port_ring(&client);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

START_TEST(every_request_is_answered_on_one_cpu)
{
    run_both(0, 0);
}
END_TEST

START_TEST(every_request_is_answered_on_two_cpus)
{
    run_both(0, 1);
}
END_TEST

static _Atomic uint64_t answered_ns; /* when the last request that has its answer was posted */

static void *post_and_answer(void *arg)
{
    for (uint64_t seq = 1; !stop; seq++) {
        post(0, seq);
        port_answer(&server, 0, &(struct port_response){.seq = seq});
        answered_ns = client.posted_ns[0];
    }
    return arg;
}

/* Else a worker that has long answered is killed for the request before. */
START_TEST(no_request_waits_since_the_one_before)
{
    unsigned wrong = 0;
    pthread_t thread;

    stop = false;
    ck_assert_int_eq(pthread_create(&thread, NULL, post_and_answer, NULL), 0);
    for (unsigned i = 0; i < LOOKS; i++) {
        uint64_t before = answered_ns;
        uint64_t since = port_waiting_since(&client, 0);

        wrong += since != 0 && since <= before;
    }
    stop = true;
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

static void *give_up(void *arg)
{
    (void)usleep(50000);
    port_set_gone(&client, true);
    return arg;
}

static void *answer_late(void *arg)
{
    (void)usleep(50000);
    port_answer(&server, 0, &(struct port_response){.seq = 1, .data = 5});
    return arg;
}

START_TEST(a_sleeper_wakes_when_it_is_answered)
{
    uint64_t start = clock_now_ns();
    struct port_response rs;
    pthread_t thread;

    post(0, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, answer_late, NULL), 0);
    ck_assert_int_eq(port_wait(&client, 0, start + 20 * NS_PER_S, &rs), 0);
    ck_assert_uint_lt(clock_now_ns() - start, 10 * NS_PER_S);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(a_sleeper_wakes_when_the_port_is_given_up)
{
    uint64_t start = clock_now_ns();
    struct port_response rs;
    pthread_t thread;

    post(0, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, give_up, NULL), 0);
    ck_assert_int_eq(port_wait(&client, 0, start + 20 * NS_PER_S, &rs), -EHOSTDOWN);
    ck_assert_uint_lt(clock_now_ns() - start, 10 * NS_PER_S);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("port");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, done);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, a_request_arrives_whole_and_is_answered);
    tcase_add_test(c, all_slots_are_served_and_none_twice);
    tcase_add_test(c, nothing_is_taken_when_nothing_is_there);
    tcase_add_test(c, a_request_whose_server_died_is_found_by_the_next);
    tcase_add_test(c, a_page_that_is_no_port_is_refused);
    tcase_add_test(c, a_port_that_was_written_over_is_one_again_for_a_successor);
    tcase_add_test(c, without_an_answer_the_deadline_ends_the_wait);
    tcase_add_test(c, an_answer_to_another_request_is_not_seen);
    tcase_add_test(c, nobody_turns_the_sequence_back);
    tcase_add_test(c, a_port_given_up_keeps_nobody_waiting);
    tcase_add_test(c, how_long_a_request_waits_is_known);
    tcase_add_test(c, a_heartbeat_is_answered);
    tcase_add_test(c, who_hands_over_answers_the_heartbeat);
    tcase_add_test(c, one_generation_is_asked_to_leave);
    tcase_add_test(c, a_new_server_answers_the_heartbeat_at_once);
    tcase_add_test(c, who_polls_is_woken_by_its_eventfd);
    tcase_add_test(c, a_full_eventfd_blocks_nobody);
    tcase_add_test(c, a_state_of_sleep_that_is_none_blocks_nobody);
    tcase_add_test(c, who_has_work_must_not_sleep);
    tcase_add_test(c, sleep_ends_with_its_time);
    tcase_add_test(c, every_request_is_answered_on_one_cpu);
    tcase_add_test(c, every_request_is_answered_on_two_cpus);
    tcase_add_test(c, no_request_waits_since_the_one_before);
    tcase_add_test(c, a_sleeper_wakes_when_it_is_answered);
    tcase_add_test(c, a_sleeper_wakes_when_the_port_is_given_up);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
