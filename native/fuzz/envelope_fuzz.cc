// The whole door, stateful: the first two bytes choose how the rest is cut into two messages.
#include <optional>

#include "core/base/assert.h"
#include "core/wire/decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace twinbeat;
  if (size < 2) return 0;
  static std::optional<Decoder> decoder;  // in place: allocating it anew would be most of the work
  decoder.emplace();
  // The keys of the corpus; a checksum can be hit by chance, so what lies behind it is reached.
  const Status crc = decoder->keyring().set(1, AuthMethod::kCrc, {});
  const Status md5 = decoder->keyring().set(2, AuthMethod::kMd5, as_bytes("secret2"));
  const Status signing = decoder->keyring().set_signing(1);
  TB_ASSERT(crc == Status::kOk && md5 == Status::kOk && signing == Status::kOk, "usable keys");
  const Bytes input(data + 2, size - 2);
  const std::size_t cut = (data[0] | data[1] << 8) % (input.size() + 1);
  for (const Bytes part : {input.first(cut), input.subspan(cut), input.first(cut)}) {
    const Opened opened = decoder->decode_in_order(part);
    TB_ASSERT(opened.ok() == (opened.detail[0] == '\0'), "every refusal has a text");
    if (!opened.ok()) continue;
    TB_ASSERT(!opened.sequenced || opened.seq > 0, "sequenced messages have a number");
    TB_ASSERT(!opened.sequenced || decoder->decode_in_order(part).reason == Reason::kReplay,
              "no message is taken twice");
  }
  return 0;
}
