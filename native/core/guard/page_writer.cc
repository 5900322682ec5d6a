#include "core/guard/page_writer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace twinbeat::guard {

namespace {

constexpr int kDrainMax = 64;

int init_lock(pthread_mutex_t& mutex) noexcept {
  pthread_mutexattr_t attributes;
  if (const int error = pthread_mutexattr_init(&attributes); error != 0) return error;
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  const int error = pthread_mutex_init(&mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return error;
}

int fill_page(int fd) noexcept {
  if (::ftruncate(fd, sizeof(Page)) != 0) return errno;
  void* memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return errno;
  auto* page = new (memory) Page{};
  int error = 0;
  for (ThreadLock& lock : page->locks) {
    if (error == 0) error = init_lock(lock.mutex);
  }
  page->page_bytes = sizeof(Page);
  page->layout_hash = layout_hash();
  page->magic = kPageMagic;
  ::munmap(memory, sizeof(Page));
  // A page that cannot shrink is a page that nobody reads beyond its end.
  if (error == 0 && ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) error = errno;
  return error;
}

bool is_ended(const char* text, std::size_t capacity) noexcept { return ::strnlen(text, capacity) < capacity; }

bool is_valid(const PlanAddress& address) noexcept {
  const bool family = address.family == 4 || address.family == 6;
  return family && address.group < kGroupsMax && address.prefix <= (address.family == 4 ? 32 : 128) &&
         is_ended(address.interface, kInterfaceBytes);
}

}  // namespace

int create_page() noexcept {
  const int fd = ::memfd_create("twinbeat-guard", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -errno;
  const int error = fill_page(fd);
  if (error == 0) return fd;
  ::close(fd);
  return -error;
}

int PageWriter::open(int page_fd, int bell_fd) noexcept {
  struct stat info{};
  if (::fstat(page_fd, &info) != 0) return errno;
  if (info.st_size != static_cast<off_t>(sizeof(Page))) return EPROTO;
  void* memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
  if (memory == MAP_FAILED) return errno;
  close();
  page_ = static_cast<Page*>(memory);
  if (page_->magic != kPageMagic || page_->layout_hash != layout_hash() || page_->page_bytes != sizeof(Page)) {
    close();
    return EPROTO;
  }
  // Locked: the engine thread writes here each cycle. Not being allowed to costs nothing but a page fault.
  static_cast<void>(::mlock(memory, sizeof(Page)));
  static_cast<void>(::madvise(memory, sizeof(Page), MADV_DONTFORK));
  if (const int error = attach(bell_fd); error != 0) {
    close();
    return error;
  }
  return 0;
}

int PageWriter::attach(int bell_fd) noexcept {
  if (page_ == nullptr) return EBADF;
  page_->guardian.acknowledged.store(0, std::memory_order_release);
  for (ThreadLock& lock : page_->locks) lock.watched.store(0, std::memory_order_release);
  // Replaced under its number, so that a thread inside look() never meets a foreign descriptor.
  const int fd = bell_fd_ < 0 ? ::fcntl(bell_fd, F_DUPFD_CLOEXEC, 0) : ::dup3(bell_fd, bell_fd_, O_CLOEXEC);
  if (fd < 0) return errno;
  bell_fd_ = fd;
  alive_.store(true, std::memory_order_release);
  attachments_.fetch_add(1, std::memory_order_acq_rel);
  look();
  return 0;
}

void PageWriter::close() noexcept {
  if (page_ != nullptr) ::munmap(page_, sizeof(Page));
  page_ = nullptr;
  if (bell_fd_ >= 0) ::close(bell_fd_);
  bell_fd_ = -1;
  alive_.store(false, std::memory_order_release);
}

int PageWriter::take_lock(std::size_t index) noexcept {
  if (page_ == nullptr || index >= kLocks) return EINVAL;
  ThreadLock& lock = page_->locks[index];
  const int error = pthread_mutex_lock(&lock.mutex);
  // The thread before this one died; its process did not, so its additions are known here.
  if (error == EOWNERDEAD) pthread_mutex_consistent(&lock.mutex);
  if (error != 0 && error != EOWNERDEAD) return error;
  lock.watched.store(0, std::memory_order_relaxed);
  lock.takes.fetch_add(1, std::memory_order_relaxed);
  lock.taken.store(1, std::memory_order_release);
  look();
  return 0;
}

void PageWriter::drop_lock(std::size_t index) noexcept {
  if (page_ == nullptr || index >= kLocks) return;
  page_->locks[index].taken.store(0, std::memory_order_release);
  pthread_mutex_unlock(&page_->locks[index].mutex);
}

bool PageWriter::guarded(std::size_t lock, std::uint64_t revision) const noexcept {
  if (page_ == nullptr || lock >= kLocks || !guardian_alive()) return false;
  const ThreadLock& place = page_->locks[lock];
  const std::uint32_t watched = place.watched.load(std::memory_order_acquire);
  return watched != 0 && watched == place.takes.load(std::memory_order_acquire) && acknowledged() >= revision;
}

std::uint64_t PageWriter::acknowledged() const noexcept {
  return page_ == nullptr ? 0 : page_->guardian.acknowledged.load(std::memory_order_acquire);
}

void PageWriter::look() noexcept {
  const auto word = BellWord::kLook;
  if (bell_fd_ < 0 || ::send(bell_fd_, &word, sizeof(word), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return;
  // Full is no harm: what lies there already makes the guardian look.
  if (errno == EPIPE || errno == ECONNRESET) alive_.store(false, std::memory_order_release);
}

bool PageWriter::drain_bell() noexcept {
  if (bell_fd_ < 0) return false;
  for (int i = 0; i < kDrainMax; ++i) {
    std::uint8_t word = 0;
    const ssize_t got = ::recv(bell_fd_, &word, sizeof(word), MSG_DONTWAIT);
    if (got > 0) continue;
    const bool quiet = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    if (!quiet) alive_.store(false, std::memory_order_release);
    break;
  }
  return guardian_alive();
}

Status PageWriter::publish_plan(std::uint64_t revision, std::span<const PlanGroup, kGroupsMax> groups,
                                std::span<const PlanAddress> addresses) noexcept {
  if (page_ == nullptr) return Status::kNotFound;
  if (addresses.size() > kAddressesMax) return Status::kFull;
  for (const PlanGroup& group : groups) {
    if (!is_ended(group.name, kGroupNameBytes)) return Status::kInvalid;
  }
  if (!std::all_of(addresses.begin(), addresses.end(), is_valid)) return Status::kInvalid;
  const std::uint32_t next = page_->current_plan.load(std::memory_order_relaxed) == 0 ? 1 : 0;
  ReleasePlan& plan = page_->plans[next];
  plan.sequence.store(sequence_ * 2 + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  plan.revision = revision;
  plan.address_count = static_cast<std::uint32_t>(addresses.size());
  std::copy(groups.begin(), groups.end(), plan.groups);
  std::copy(addresses.begin(), addresses.end(), plan.addresses);
  ++sequence_;
  plan.sequence.store(sequence_ * 2, std::memory_order_release);
  page_->current_plan.store(next, std::memory_order_release);
  look();
  return Status::kOk;
}

void PageWriter::stamp_progress(Micros now) noexcept {
  if (page_ != nullptr) page_->progress_at_us.store(now, std::memory_order_release);
}

void PageWriter::stamp_stand(Micros now) noexcept {
  if (page_ != nullptr) page_->stood_at_us.store(now, std::memory_order_release);
}

void PageWriter::set_running(bool running) noexcept {
  if (page_ == nullptr) return;
  page_->limits.running.store(running ? 1 : 0, std::memory_order_release);
  look();
}

void PageWriter::set_limits(Micros freeze, bool realtime) noexcept {
  if (page_ == nullptr) return;
  page_->limits.realtime.store(realtime ? 1 : 0, std::memory_order_release);
  page_->limits.freeze_us.store(freeze, std::memory_order_release);
  look();
}

void PageWriter::set_lifetime(std::int64_t seconds) noexcept {
  if (page_ != nullptr) page_->limits.lifetime_s.store(seconds, std::memory_order_release);
}

void PageWriter::set_controller_fresh_until(Micros at) noexcept {
  if (page_ != nullptr) page_->limits.controller_fresh_until_us.store(at, std::memory_order_release);
}

void PageWriter::set_group(std::size_t index, const GroupState& state) noexcept {
  if (page_ == nullptr || index >= kGroupsMax) return;
  GroupWords& group = page_->groups[index];
  group.agent_busy.store(state.agent_busy ? 1 : 0, std::memory_order_release);
  if (group.claim_epoch.load(std::memory_order_relaxed) != state.claim_epoch) clear_gasp(index);
  group.claim_epoch.store(state.claim_epoch, std::memory_order_release);
  group.owned.store(state.owned ? 1 : 0, std::memory_order_release);
  group.peer_ready.store(state.peer_ready ? 1 : 0, std::memory_order_release);
  group.held.store(state.held ? 1 : 0, std::memory_order_release);
}

void PageWriter::set_release_by(std::size_t index, Micros at) noexcept {
  if (page_ == nullptr || index >= kGroupsMax) return;
  page_->groups[index].release_by_us.store(at, std::memory_order_release);
  look();
}

void PageWriter::set_valid_until(std::size_t index, Micros at) noexcept {
  if (page_ != nullptr && index < kGroupsMax) page_->groups[index].valid_until_us.store(at, std::memory_order_release);
}

void PageWriter::set_owned_until(std::size_t index, Micros at) noexcept {
  if (page_ != nullptr && index < kGroupsMax) page_->groups[index].owned_until_us.store(at, std::memory_order_release);
}

Status PageWriter::set_gasp(std::size_t index, std::uint64_t claim_epoch, Bytes datagram, Bytes line) noexcept {
  if (page_ == nullptr || index >= kGroupsMax) return Status::kNotFound;
  clear_gasp(index);
  if (datagram.size() > kGaspBytesMax || line.size() > kGaspBytesMax) return Status::kTooLong;
  Gasp& gasp = page_->groups[index].gasp;
  gasp.datagram_bytes = static_cast<std::uint16_t>(datagram.size());
  gasp.line_bytes = static_cast<std::uint16_t>(line.size());
  gasp.claim_epoch = claim_epoch;
  std::copy(datagram.begin(), datagram.end(), gasp.datagram);
  std::copy(line.begin(), line.end(), gasp.line);
  gasp.valid.store(1, std::memory_order_release);
  return Status::kOk;
}

void PageWriter::clear_gasp(std::size_t index) noexcept {
  if (page_ == nullptr || index >= kGroupsMax) return;
  page_->groups[index].gasp.valid.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void PageWriter::set_keep_until(Micros at) noexcept {
  if (page_ != nullptr) page_->keep_until_us.store(at, std::memory_order_release);
  look();
}

int PageWriter::hand_over_links(std::span<const LinkTarget> targets, std::span<const int> descriptors) noexcept {
  if (bell_fd_ < 0) return EBADF;
  if (targets.size() > kLinkTargetsMax || descriptors.size() > kLinkTargetsMax) return E2BIG;
  LinkHandover handover{};
  handover.word = BellWord::kLinks;
  handover.target_count = static_cast<std::uint8_t>(targets.size());
  handover.descriptor_count = static_cast<std::uint8_t>(descriptors.size());
  std::copy(targets.begin(), targets.end(), handover.targets);
  iovec part{&handover, offsetof(LinkHandover, targets) + targets.size() * sizeof(LinkTarget)};
  alignas(cmsghdr) char control[CMSG_SPACE(kLinkTargetsMax * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  return ::sendmsg(bell_fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

}  // namespace twinbeat::guard
