/*
 * tests/fuzz/mortal.h - put before the source of a module that keeps its log in shared memory: before each of its stores
 * there the process may die.
 *
 * Who links it defines mortal_store(), which does not come back if it is the last one's turn. Plain stores count for
 * nothing until the next atomic one makes them valid.
 */
#pragma once

#include <stdatomic.h>

void mortal_store(void);

#undef atomic_store
#undef atomic_store_explicit
#define atomic_store(object, value)                                                                \
    do {                                                                                           \
        mortal_store();                                                                            \
        *(object) = (value);                                                                       \
    } while (0)
#define atomic_store_explicit(object, value, order) atomic_store(object, value)
