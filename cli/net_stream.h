/*
 * cli/net_stream.h - a stream of frames, each with its length before it, whose writer has died.
 */
#pragma once

#include "base/macro.h"

/*
 * Finish the frame in whose middle the writer ended, with zeros. reader and writer are the stream's ends; who reads takes
 * whole frames out of it, as net does: what is in it begins with one.
 *   0          a frame begins with what is written next
 *   -EAGAIN    there is no room for the rest of it now
 *   -EBADMSG   these are no frames, and their reader will see that, too
 *   other <0   errno
 */
int MUST_USE net_stream_finish(int reader, int writer);
