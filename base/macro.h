/*
 * base/macro.h - the few macros that C leaves no other way for.
 */
#pragma once

#include <stddef.h>

#define MUST_USE    __attribute__((warn_unused_result))
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/*
 * A local array that is not filled with a pattern first, as all others are (-ftrivial-auto-var-init): for a large one
 * where every request passes, of which nothing is read that was not written.
 */
#define UNINITIALIZED __attribute__((uninitialized))

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Elements of an array. Does not compile on a pointer. */
#define COUNT_OF(a)                                                                                \
    (sizeof(a) / sizeof((a)[0]) +                                                                  \
     0 * sizeof(struct {                                                                           \
         _Static_assert(!__builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0])),         \
                        "COUNT_OF needs an array");                                                \
         char unused;                                                                              \
     }))
