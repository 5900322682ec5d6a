#include "fuzz/message_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace twinbeat;
  static const auto state = std::make_unique<FuzzState>();
  const Parsed parsed = parse_netstring({data, size}, state->first.message());
  check_parsed(parsed, state->first.message());
  if (!parsed.ok()) return 0;
  check_round_trip(*state, Encoding::kNetstring);
  check_round_trip(*state, Encoding::kClassic);
  return 0;
}
