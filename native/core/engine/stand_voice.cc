#include "core/engine/stand_voice.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <ctime>

#include "core/wire/hb_text.h"
#include "core/wire/message.h"

namespace twinbeat {

bool StandVoice::prepare(Bytes words, const Keyring& keyring, std::span<const StandWay> ways) noexcept {
  const std::unique_lock held(used_, std::try_to_lock);
  if (!held.owns_lock()) return false;
  forget();
  if (words.empty() || words.size() > words_.size() || !keyring.can_sign()) return true;
  for (const StandWay& way : ways) {
    if (count_ == ways_.size()) break;
    if (way.target.way != guard::LinkWay::kDatagram) continue;
    ways_[count_] = {.target = way.target, .fd = ::fcntl(way.fd, F_DUPFD_CLOEXEC, 0)};
    if (ways_[count_].fd >= 0) ++count_;
  }
  if (count_ == 0) return true;
  keyring_ = keyring;
  std::memcpy(words_.data(), words.data(), words.size());
  words_size_ = words.size();
  return true;
}

bool StandVoice::try_hush() noexcept {
  const std::unique_lock held(used_, std::try_to_lock);
  if (held.owns_lock()) forget();
  return held.owns_lock();
}

void StandVoice::hush() noexcept {
  const std::lock_guard held(used_);
  forget();
}

void StandVoice::forget() noexcept {
  words_size_ = 0;
  keyring_.wipe();
  for (std::size_t i = 0; i < count_; ++i) ::close(ways_[i].fd);
  count_ = 0;
}

bool StandVoice::say(Micros now) noexcept {
  const std::unique_lock held(used_, std::try_to_lock);
  if (!held.owns_lock() || words_size_ == 0) return false;
  Message kept(arena_);
  if (!parse_netstring({words_.data(), words_size_}, kept).ok()) return false;
  Message message(kept.scratch());
  for (const Field& field : kept.fields()) {
    if (field.name == "auth" || field.name == "ts") continue;
    if (message.add_view(field.name, field.type, field.value) != Status::kOk) return false;
  }
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  const bool whole = message.add_hex("ts", static_cast<std::uint64_t>(wall.tv_sec)) == Status::kOk &&
                     message.add_hex(kStandStamp, static_cast<std::uint64_t>(now)) == Status::kOk;
  if (!whole) return false;
  const Encoded encoded = encode_netstring(message, keyring_, InnerAuth::kAdd, datagram_);
  if (encoded.status != Status::kOk) return false;
  bool sent = false;
  for (std::size_t i = 0; i < count_; ++i) {
    const guard::LinkTarget& target = ways_[i].target;
    const auto* to = target.address_bytes > 0 ? reinterpret_cast<const sockaddr*>(target.address) : nullptr;
    sent = ::sendto(ways_[i].fd, encoded.bytes.data(), encoded.bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL, to,
                    target.address_bytes) > 0 || sent;
  }
  return sent;
}

}  // namespace twinbeat
