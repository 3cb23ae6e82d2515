/*
 * tests/integration/canary.h - a secret of the guest's that is looked for in all that leaves the VM.
 */
#pragma once

enum {
    CANARY_BYTES = 64,
};

/* Printable, so that nothing that makes text printable hides it. */
static const char canary[CANARY_BYTES + 1] =
    "cAnArY-7f3d1c95e2b84a60-Zq8Lw2Xv9Kt4Rm6Yb1Nc5Hj3Gd0Fs7Pa-yRaNaC!";
