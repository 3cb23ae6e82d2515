#include "workers/net/frame.h"
