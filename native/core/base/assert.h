// TB_ASSERT stays on in every build: a broken invariant stops the process, it never limps on.
#pragma once

#include <cstdio>
#include <cstdlib>

#define TB_ASSERT(condition, why)                                                              \
  do {                                                                                         \
    if (!(condition)) [[unlikely]] {                                                           \
      std::fprintf(stderr, "twinbeat: broken invariant: %s (%s:%d)\n", why, __FILE__, __LINE__); \
      std::abort();                                                                            \
    }                                                                                          \
  } while (false)
