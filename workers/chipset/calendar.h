/*
 * workers/chipset/calendar.h - the Gregorian calendar of years 0 to 9999, in seconds since 1970.
 *
 * Gregorian throughout, without leap seconds. Pure arithmetic on values.
 */
#pragma once

#include <stdint.h>

enum {
    CALENDAR_DAY_S = 24 * 60 * 60,
    CALENDAR_ANY = 0xff,
};

/* 0000-01-01 00:00:00 and 9999-12-31 23:59:59 */
static const int64_t CALENDAR_FIRST_S = -62167219200;
static const int64_t CALENDAR_LAST_S = 253402300799;

struct civil {
    unsigned year; /* 0 to 9999 */
    unsigned month, day, hour, minute, second;
    unsigned weekday; /* 0: Sunday */
};

/* s, or the end that is nearer to it. */
int64_t calendar_clamp(int64_t s);

/* s is between the first and the last. */
struct civil calendar_civil(int64_t s);

/* t is a date that exists; its weekday does not count. */
int64_t calendar_seconds(const struct civil *t);

/* month is 1 to 12. */
unsigned calendar_days_in_month(unsigned year, unsigned month);

/*
 * The first second after s, which is between the first and the last, in which the time of day is
 * t's: its hour, minute and second, each of which may be CALENDAR_ANY. At most a day later.
 */
int64_t calendar_next(int64_t s, const struct civil *t);
