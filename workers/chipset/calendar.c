#include "workers/chipset/calendar.h"

#include <stdbool.h>

/*
 * Days are counted from 1 March of the year -400, so that leap days end years, years end whole
 * cycles of 400, and nothing is below 0.
 */
enum {
    CYCLE_DAYS = 146097,                 /* 400 years */
    EPOCH_DAYS = CYCLE_DAYS + 719468,    /* 1970-01-01 */
    FIRST_DAYS = CYCLE_DAYS - (31 + 29), /* 0000-01-01 */
    FIRST_WEEKDAY = 6,                   /* a Saturday */
};

int64_t calendar_clamp(int64_t s)
{
    if (s < CALENDAR_FIRST_S)
        return CALENDAR_FIRST_S;
    return s > CALENDAR_LAST_S ? CALENDAR_LAST_S : s;
}

int64_t calendar_seconds(const struct civil *t)
{
    int64_t year = (int64_t)t->year + 400 - (t->month <= 2 ? 1 : 0);
    int64_t month = (t->month + 9) % 12; /* 0: March */
    int64_t day_of_year = (153 * month + 2) / 5 + t->day - 1;
    int64_t days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;

    return (days - EPOCH_DAYS) * CALENDAR_DAY_S + t->hour * 3600 + t->minute * 60 + t->second;
}

struct civil calendar_civil(int64_t s)
{
    uint32_t since_first = (uint32_t)((s - CALENDAR_FIRST_S) / CALENDAR_DAY_S);
    uint32_t in_day = (uint32_t)((s - CALENDAR_FIRST_S) % CALENDAR_DAY_S);
    uint32_t days = since_first + FIRST_DAYS;
    uint32_t in_cycle = days % CYCLE_DAYS;
    uint32_t year = (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / 146096) / 365;
    uint32_t in_year = in_cycle - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * in_year + 2) / 153; /* 0: March */
    struct civil t = {.hour = in_day / 3600,
                      .minute = in_day / 60 % 60,
                      .second = in_day % 60,
                      .weekday = (since_first + FIRST_WEEKDAY) % 7};

    t.day = in_year - (153 * month + 2) / 5 + 1;
    t.month = month < 10 ? month + 3 : month - 9;
    t.year = year + days / CYCLE_DAYS * 400 + (t.month <= 2 ? 1 : 0) - 400;
    return t;
}

unsigned calendar_days_in_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

/* The first second from s on in which this part of the time of day is wanted. */
static uint32_t part_from(uint32_t s, uint32_t unit_s, uint32_t cycle, unsigned wanted)
{
    uint32_t ahead = (wanted + cycle - s / unit_s % cycle) % cycle;

    if (wanted == CALENDAR_ANY || ahead == 0)
        return s;
    return s - s % unit_s + ahead * unit_s;
}

int64_t calendar_next(int64_t s, const struct civil *t)
{
    uint32_t in_day = (uint32_t)((s - CALENDAR_FIRST_S) % CALENDAR_DAY_S);
    uint32_t next = in_day + 1;

    /* A carry into a part that was right is made good by the next round; the third has none. */
    for (int round = 0; round < 3; round++) {
        next = part_from(next, 60 * 60, 24, t->hour);
        next = part_from(next, 60, 60, t->minute);
        next = part_from(next, 1, 60, t->second);
    }
    return s + next - in_day;
}
