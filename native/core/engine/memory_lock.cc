#include "core/engine/memory_lock.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>

namespace twinbeat {

namespace {

constexpr std::size_t kStackBytes = 128 * 1024;

struct Search {
  const void* inside;  // an address of this library
  std::uintptr_t page;
  int error;
};

bool is_runtime(std::string_view path) noexcept {
  const std::string_view file = path.substr(path.rfind('/') + 1);
  for (const std::string_view name : {"libc.so", "libstdc++.so", "libgcc_s.so", "libm.so", "ld-linux"}) {
    if (file.starts_with(name)) return true;
  }
  return false;
}

bool contains(const dl_phdr_info& info, const void* address) noexcept {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  for (unsigned i = 0; i < info.dlpi_phnum; ++i) {
    const auto& segment = info.dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    const std::uintptr_t start = info.dlpi_addr + segment.p_vaddr;
    if (wanted >= start && wanted < start + segment.p_memsz) return true;
  }
  return false;
}

int lock_segments(dl_phdr_info* info, std::size_t, void* data) noexcept {
  auto& search = *static_cast<Search*>(data);
  const std::string_view path = info->dlpi_name == nullptr ? "" : info->dlpi_name;
  // The main program is Node itself: too big, and V8 would not survive it.
  const bool ours = !path.empty() && contains(*info, search.inside);
  if (!ours && !is_runtime(path)) return 0;
  for (unsigned i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    const std::uintptr_t start = (info->dlpi_addr + segment.p_vaddr) & ~(search.page - 1);
    const std::uintptr_t end = info->dlpi_addr + segment.p_vaddr + segment.p_memsz;
    if (::mlock(reinterpret_cast<const void*>(start), end - start) != 0 && search.error == 0) {
      search.error = errno;
    }
  }
  return 0;
}

}  // namespace

int lock_own_memory() noexcept {
  Search search{reinterpret_cast<const void*>(&lock_own_memory),
                static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE)), 0};
  ::dl_iterate_phdr(&lock_segments, &search);
  return search.error;
}

int lock_range(Bytes range) noexcept {
  return ::mlock(range.data(), range.size()) == 0 ? 0 : errno;
}

void unlock_range(Bytes range) noexcept { static_cast<void>(::munlock(range.data(), range.size())); }

void touch_stack() noexcept {
  std::array<volatile unsigned char, kStackBytes> stack;
  for (std::size_t i = 0; i < stack.size(); i += 1024) stack[i] = 0;
}

}  // namespace twinbeat
