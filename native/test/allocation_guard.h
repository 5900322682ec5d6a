// Counts what a piece of code takes from the heap, by whatever way: operator new of libstdc++ ends in malloc as well.
// Under a sanitizer malloc is the sanitizer's; then nothing can be counted and `kAllocationsCounted` is false.
#pragma once

#include <cstddef>

namespace twinbeat::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kAllocationsCounted = false;
#else
inline constexpr bool kAllocationsCounted = true;
#endif

// Of this thread, while it lives.
class AllocationGuard {
 public:
  AllocationGuard() noexcept;
  AllocationGuard(const AllocationGuard&) = delete;
  AllocationGuard& operator=(const AllocationGuard&) = delete;
  [[nodiscard]] std::size_t count() const noexcept;

 private:
  std::size_t before_;
};

}  // namespace twinbeat::test
