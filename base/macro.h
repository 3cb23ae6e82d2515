/*
 * base/macro.h - the few macros that C leaves no other way for.
 */
#pragma once

#include <stddef.h>

#define MUST_USE               __attribute__((warn_unused_result))
#define CLEANUP(fn)            __attribute__((cleanup(fn)))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Elements of an array. Does not compile on a pointer. */
#define COUNT_OF(a)                                                                                \
    (sizeof(a) / sizeof((a)[0]) +                                                                  \
     0 * sizeof(struct {                                                                           \
         _Static_assert(!__builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0])),         \
                        "COUNT_OF needs an array");                                                \
         char unused;                                                                              \
     }))
