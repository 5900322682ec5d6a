// The heartbeat engine: everything that must not wait for JavaScript. One call of do_work() is one duty cycle with a
// fixed order (commands, drain every link, judge silence, beat and retransmit, publish), the same for the real thread
// and for a manual clock. It decides nothing about resources. Engine thread only; allocates nothing after a configure.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/engine/last_datagram.h"
#include "core/engine/port.h"
#include "core/engine/publisher.h"
#include "core/engine/setup.h"
#include "core/engine/stand_voice.h"
#include "core/link/link.h"
#include "core/peer/detector.h"
#include "core/peer/peer_table.h"
#include "core/peer/prng.h"
#include "core/peer/reliable.h"
#include "core/takeover/takeover.h"
#include "core/wire/envelope.h"

namespace twinbeat {

struct LinkStats {
  std::uint64_t packets_in = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t packets_out = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t send_errors = 0;
  std::uint64_t queue_drops = 0;
  std::array<std::uint64_t, kRejectReasons> rejected{};
};

// Repeats of a rejection are counted, not repeated.
struct RejectReport {
  Micros next_at = 0;
  std::uint32_t pending = 0;
};

// Last words of the other node, until their record has a place.
struct HeardGasp {
  bool owed = false;
  std::uint64_t generation = 0;
  std::uint64_t epoch = 0;
  FixedText<kMaxNodeNameBytes> node;
  FixedText<kGroupNameMax> group;
  FixedText<kGroupDigestMax> digest;
};

struct LinkPlace {
  std::unique_ptr<Link> link;
  LinkStats stats;
  std::array<RejectReport, kRejectReasons> reports{};
  Micros interval = 0;
  Micros dead_time = 0;
  Micros next_status_at = 0;
  Micros retry_at = 0;
  Micros read_until = 0;       // receive stamp of the last packet read, where more wait
  std::uint32_t dropped = 0;   // packets that its socket had no room for
  bool reported_open = false;
  bool failing = false;  // open, but the last send says the interface is down
  int error = 0;
  GapHistogram gaps;  // between the statuses of each peer on this link
};

// Last words about one group: unsequenced, signed, and only to a node that showed the field `twinbeat`.
inline constexpr std::string_view kGaspType = "NS_tbgasp";

// What a StandVoice was made for; another one means that it has to be made anew.
struct StandState {
  bool may = false;
  std::uint64_t revision = 0;
  std::uint64_t generation = 0;
  std::uint64_t links = 0;
  friend bool operator==(const StandState&, const StandState&) = default;
};

using LinkFactory = std::unique_ptr<Link> (*)(const LinkSpec& spec, std::uint16_t instance, void* context);

class Engine final : private PacketSink, private DetectorSink, private TakeoverVoice {
 public:
  struct Options {
    std::uint64_t seed = 0;
    std::uint16_t instance = 0;
    LinkFactory factory = &make_link;
    void* factory_context = nullptr;
    StepPort* steps = nullptr;  // without one nothing can be taken
  };

  Engine(EnginePort& port, const Options& options);
  ~Engine();

  // Sees a pause of ours between the planned wake-up and `cycle.now`.
  void do_work(const Cycle& cycle) noexcept;
  // Absolute time of the next do_work() if nothing arrives.
  [[nodiscard]] Micros next_deadline() const noexcept;
  // How late it may wake up before somebody should look for another processor; 0: its times are long enough to wait.
  [[nodiscard]] Micros rescue_after() const noexcept;
  // What has to be said for this engine when it cannot speak. False: `voice` speaks just now; to be tried again.
  [[nodiscard]] StandState stand_state() const noexcept;
  [[nodiscard]] bool prepare_stand(StandVoice& voice) noexcept;
  // It asks whether it is held for dead: commands wait for the answer.
  [[nodiscard]] bool asking() const noexcept { return asking_until_ != 0; }
  [[nodiscard]] bool take_dirty() noexcept { return publisher_.take_dirty(); }
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }
  // Grows whenever a descriptor was opened or closed, so that the runner updates its epoll set.
  [[nodiscard]] std::uint64_t links_version() const noexcept { return links_version_; }
  [[nodiscard]] std::size_t link_count() const noexcept { return link_count_; }
  [[nodiscard]] Link* link(std::size_t index) noexcept { return links_[index].link.get(); }

  // Everything that a duty cycle touches, for locking into memory.
  [[nodiscard]] std::array<Bytes, 9> memory() const noexcept;

  // JSON of everything that src/engine/engine.ts calls the snapshot, but for `realtime`. 0 if it does not fit.
  [[nodiscard]] std::size_t write_snapshot(std::span<char> out, Micros now) const noexcept;

 private:
  // commands.cc
  void run_commands(const Cycle& cycle) noexcept;
  void run_command(Bytes command, const Cycle& cycle) noexcept;
  void count_anew(Micros now) noexcept;
  void apply_setup(std::unique_ptr<Setup> setup, const Cycle& cycle) noexcept;
  void start(const Cycle& cycle) noexcept;
  void new_conversation(const Cycle& cycle) noexcept;
  void send_command(Bytes encoded, const Cycle& cycle) noexcept;
  void holding_command(Bytes encoded) noexcept;

  // engine.cc
  [[nodiscard]] bool notice_pause(const Cycle& cycle) noexcept;
  void excuse_all(Micros planned, Micros now) noexcept;
  void tend_links(const Cycle& cycle) noexcept;
  void open_link(std::size_t index, const Cycle& cycle) noexcept;
  void report_link(std::size_t index, bool open, int error, Micros now) noexcept;
  // Up to which moment everything that arrived was read.
  [[nodiscard]] Micros drain_links(const Cycle& cycle) noexcept;
  [[nodiscard]] bool judgement_is_due(Micros now) const noexcept;
  void judge_all(Micros until) noexcept;
  void notice_overflow(const Origin& origin) noexcept;
  [[nodiscard]] bool only_twinbeat_listens() const noexcept;
  void update_timing() noexcept;
  [[nodiscard]] Micros stall_limit() const noexcept;
  [[nodiscard]] Micros stall_worth_telling() const noexcept;
  [[nodiscard]] Micros announced_dead_time(Micros now) const noexcept;
  [[nodiscard]] Micros heartbeat_interval() const noexcept;

  // receive.cc
  void packet(Bytes bytes, Micros at, const Origin& origin) noexcept override;
  [[nodiscard]] std::size_t link_of(const Origin& origin) const noexcept;
  [[nodiscard]] bool is_known_copy(Bytes bytes) noexcept;
  void reject(RejectReason reason) noexcept;
  [[nodiscard]] Peer* sender_of(const Message& message) noexcept;
  void receive_own(Peer& self, const Opened& opened) noexcept;
  void receive_ping(const Message& message) noexcept;
  void receive_control(Peer& peer, const Message& message, const Opened& opened) noexcept;
  void receive_sequenced(Peer& peer, const Message& message, const Opened& opened) noexcept;
  void receive_duplicate(Peer& peer, std::uint64_t seq) noexcept;
  void receive_status(Peer& peer, const Message& message, const Opened& opened,
                      ConversationEvent event, std::uint64_t previous_generation) noexcept;
  void publish_message(const Peer& peer, const Message& message) noexcept;
  void heard(Peer& peer, bool fresh_status) noexcept;
  void count_gap(GapHistogram& gaps, Micros& from, const Peer& peer) noexcept;
  [[nodiscard]] bool is_for_us(const Message& message) const noexcept;
  void answer_rexmit(Peer& peer, const Message& message) noexcept;

  // transmit.cc
  void send_heartbeats(const Cycle& cycle) noexcept;
  void send_status(const Cycle& cycle, std::string_view status) noexcept;
  void send_pings(const Cycle& cycle) noexcept;
  [[nodiscard]] Micros ping_interval() const noexcept;
  void request_missing(const Cycle& cycle) noexcept;
  void send_ack(const Peer& peer, std::uint64_t seq, const Cycle& cycle) noexcept;
  void send_nak(const Peer& peer, std::uint64_t seq, const char* why, const Cycle& cycle) noexcept;
  void resend(Bytes body, const Cycle& cycle) noexcept;
  // Adds what every message carries, signs, keeps sequenced ones, sends on every link.
  [[nodiscard]] bool complete(Message& message, bool sequenced, const Cycle& cycle) noexcept;
  void complete_and_send(Message& message, bool sequenced, const Cycle& cycle) noexcept;
  void transmit(const Message& message, bool is_status, Bytes netstring, const Cycle& cycle) noexcept;
  void send_on(LinkPlace& place, const Outgoing& out, const Cycle& cycle) noexcept;
  [[nodiscard]] std::uint64_t unacknowledged() const noexcept;
  void read_load(Micros now) noexcept;

  // stand.cc
  [[nodiscard]] bool can_ask() const noexcept;
  void overslept(Micros planned, Micros late) noexcept;
  void settle_pause() noexcept;
  [[nodiscard]] bool everybody_waits() const noexcept;
  void ask_for_us() noexcept;
  // What finds no room in the ring is told later, before anything else.
  bool tell_pause(std::uint8_t flags) noexcept;
  void tell_owed_pause() noexcept;
  [[nodiscard]] bool compose_stand(Message& message) const noexcept;
  void receive_stand(Peer& peer, const Message& message) noexcept;
  void receive_wait(Peer& peer, const Message& message) noexcept;

  // gasp.cc
  [[nodiscard]] TakeoverScene scene() const noexcept;
  [[nodiscard]] bool compose_gasp(std::size_t slot, std::uint64_t claim_epoch, Message& message) const noexcept;
  void receive_gasp(const Peer& peer, const Message& message) noexcept;
  void tell_gasps() noexcept;
  // TakeoverVoice
  [[nodiscard]] bool sign_gasp(std::size_t slot, std::uint64_t claim_epoch, LastWords& words) noexcept override;
  void say_gasp(std::size_t slot, std::uint64_t claim_epoch) noexcept override;
  void fall_silent() noexcept override;

  // DetectorSink
  void peer_late(const Peer& peer, Micros silent) noexcept override;
  void peer_dead(const Peer& peer, Micros silent) noexcept override;
  void peer_link_down(const Peer& peer, std::size_t link, Micros silent) noexcept override;

  EnginePort& port_;
  Publisher publisher_;
  Options options_;
  Prng prng_;
  std::unique_ptr<Setup> setup_;
  std::array<LinkPlace, kMaxLinks> links_{};
  std::size_t link_count_ = 0;
  std::uint64_t links_version_ = 1;
  std::unique_ptr<PeerTable> peers_;
  History history_;
  DetectorTiming timing_;
  Takeover takeover_;
  std::array<HeardGasp, kSlots> heard_gasps_{};
  bool gasps_owed_ = false;

  FixedText<31> status_{"init"};
  std::uint64_t generation_ = 0;
  std::uint64_t seq_ = 0;
  Micros extra_dead_us_ = 0;
  Micros conversation_at_ = 0;  // since when this generation speaks
  Micros next_beat_at_ = 0;
  Micros planned_at_ = 0;  // when we wanted to run next
  Micros load_read_at_ = 0;
  FixedText<63> load_;
  bool running_ = false;
  bool stopped_ = false;
  bool muted_ = false;
  bool silent_ = false;          // for good: this life has let go of everything
  Micros asking_until_ = 0;      // 0: nobody is asked
  Micros asked_from_ = 0;        // no answer to an earlier question counts
  Micros ask_again_at_ = 0;      // once more; 0: that was it
  Micros pause_us_ = 0;          // which the question is about
  std::optional<std::uint8_t> pause_owed_;  // flags
  Micros lateness_ = 0;          // worst of ours since the last heartbeat
  bool overflow_excused_ = false;  // since the last heartbeat
  Micros next_ping_at_ = 0;
  Micros late_told_at_ = INT64_MIN / 4;
  GapHistogram lateness_seen_;
  std::uint64_t rescues_before_ = 0;
  std::uint64_t stands_before_ = 0;
  Micros counted_since_ = 0;     // since when the histograms count
  bool history_full_ = false;
  std::size_t draining_ = 0;      // whose socket is read
  std::size_t current_link_ = 0;  // on which the packet in hand came
  Micros current_at_ = 0;         // receive stamp of the packet in hand
  LastDatagram said_;             // our last heartbeat
  LastDatagram heard_;            // the last status that was accepted, of
  Peer* heard_from_ = nullptr;    // this node in
  std::uint64_t heard_generation_ = 0;
  std::uint64_t heard_seq_ = 0;
  Cycle current_;

  std::unique_ptr<ReceiveArena> receive_arena_;
  std::unique_ptr<std::uint8_t[]> message_arena_;   // of messages in hand: receiving
  std::unique_ptr<std::uint8_t[]> compose_arena_;   // of messages being composed
  std::unique_ptr<std::uint8_t[]> netstring_;
  std::unique_ptr<std::uint8_t[]> classic_;
  std::unique_ptr<std::uint8_t[]> command_;
};

}  // namespace twinbeat
