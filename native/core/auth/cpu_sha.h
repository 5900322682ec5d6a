// Whether this CPU has the SHA instructions; asked once, when the program starts.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace twinbeat {

[[nodiscard]] inline bool cpu_has_sha() noexcept {
#if defined(__x86_64__)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  const bool sha = (b & 1u << 29) != 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return false;
  const bool ssse3 = (c & 1u << 9) != 0;
  const bool sse41 = (c & 1u << 19) != 0;
  return sha && ssse3 && sse41;
#else
  return false;
#endif
}

}  // namespace twinbeat
