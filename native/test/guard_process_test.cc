// The guardian itself, as a process beside a small process that plays the daemon, in namespaces.
#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/guard/page_writer.h"
#include "net_lab.h"

using namespace twinbeat;
using namespace twinbeat::guard;
using namespace twinbeat::net::testing;

namespace {

constexpr int kPatienceMs = 10'000;
constexpr std::uint16_t kGaspPort = 6941;
constexpr char kWords[] = "last words of web";

bool within_patience(const std::function<bool()>& done) {
  for (const Micros until = boottime_now() + kPatienceMs * kMicrosPerMilli; boottime_now() < until;) {
    if (done()) return true;
    ::usleep(200);
  }
  return done();
}

PlanAddress planned(const char* text, std::uint8_t prefix) {
  PlanAddress out{};
  out.family = std::strchr(text, ':') == nullptr ? 4 : 6;
  out.prefix = prefix;
  std::strcpy(out.interface, NetLab::kHere);
  const net::Address address = address_of(text);
  std::memcpy(out.bytes, address.bytes, sizeof(out.bytes));
  return out;
}

// One page with its guardian, and a process that owns the lock. Everything ends with the object.
class Scene {
 public:
  explicit Scene(std::vector<PlanAddress> addresses) : addresses_(std::move(addresses)) {
    char folder[] = "/tmp/twinbeat-guard-XXXXXX";
    REQUIRE(::mkdtemp(folder) != nullptr);
    folder_ = folder;
    page_fd_ = create_page();
    REQUIRE(page_fd_ >= 0);
    void* memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, page_fd_, 0);
    page = static_cast<Page*>(memory);
  }
  ~Scene() {
    if (daemon > 0) end_daemon();
    if (guardian() > 0) ::kill(guardian(), SIGKILL);
    ::munmap(page, sizeof(Page));
    ::close(page_fd_);
    if (::system(("rm -r " + folder_).c_str()) != 0) std::perror("rm");
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  // Before start(): the only group has services.
  void has_services() { kind_ = GroupKind::kKilled; }

  // Forks the daemon; true when its additions are guarded.
  bool start(int gasp_socket = -1) {
    daemon = ::fork();
    if (daemon == 0) play_daemon(gasp_socket);
    const auto& lock = page->locks[kNetLock];
    return within_patience([&] { return page->guardian.acknowledged.load() == 1 && lock.watched.load() != 0; });
  }

  void end_daemon() {
    ::kill(daemon, SIGKILL);
    ::waitpid(daemon, nullptr, 0);
    daemon = -1;
  }

  [[nodiscard]] pid_t guardian() const { return static_cast<pid_t>(page->guardian.pid.load()); }
  [[nodiscard]] bool is_done() const { return page->guardian.state.load() == GuardianState::kDone; }
  [[nodiscard]] std::string path(const char* name) const { return folder_ + "/" + name; }
  [[nodiscard]] std::string journal() const {
    std::stringstream text;
    text << std::ifstream(path("journal")).rdbuf();
    return text.str();
  }
  [[nodiscard]] std::string ask(const std::string& command) const {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path("socket").c_str());
    char answer[kBytes] = "";
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
      const std::string line = command + "\n";
      static_cast<void>(!::write(fd, line.data(), line.size()));
      pollfd entry{fd, POLLIN, 0};
      if (::poll(&entry, 1, kPatienceMs) == 1) static_cast<void>(!::read(fd, answer, sizeof(answer) - 1));
    }
    ::close(fd);
    return answer;
  }

  Page* page = nullptr;
  pid_t daemon = -1;

 private:
  static constexpr std::size_t kBytes = 600;

  [[noreturn]] void play_daemon(int gasp_socket) const {
    int bell[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, bell) != 0) ::_exit(1);
    const int lock = ::open(path("lock").c_str(), O_RDWR | O_CREAT, 0600);
    if (::flock(lock, LOCK_EX) != 0) ::_exit(1);
    const pid_t self = ::getpid();
    if (::fork() == 0) {
      const auto text = [](int number) { return std::to_string(number); };
      ::close(bell[0]);
      static_cast<void>(::fcntl(page_fd_, F_SETFD, 0));
      const auto pid_fd = static_cast<int>(::syscall(SYS_pidfd_open, self, 0));
      static_cast<void>(::fcntl(pid_fd, F_SETFD, 0));
      ::execl(TWINBEAT_GUARDIAN, "twinbeat-guardian", text(page_fd_).c_str(), text(bell[1]).c_str(), text(lock).c_str(),
              text(pid_fd).c_str(), text(self).c_str(), path("socket").c_str(), path("journal").c_str(), nullptr);
      ::_exit(1);
    }
    ::close(bell[1]);
    PageWriter writer;
    if (writer.open(page_fd_, bell[0]) != 0) ::_exit(1);
    std::thread netlink([&] {
      static_cast<void>(writer.take_lock(kNetLock));
      for (;;) ::pause();
    });
    std::array<PlanGroup, kGroupsMax> groups{};
    groups[0].used = 1;
    groups[0].kind = kind_;
    std::strcpy(groups[0].name, "web");
    if (gasp_socket >= 0) hand_over(writer, gasp_socket);
    writer.set_group(0, {.held = true, .peer_ready = true, .claim_epoch = 3});
    static_cast<void>(writer.set_gasp(0, 3, as_bytes(std::string_view(kWords)), {}));
    if (writer.publish_plan(1, groups, addresses_) != Status::kOk) ::_exit(1);
    for (;;) ::pause();
  }

  static void hand_over(PageWriter& writer, int socket) {
    LinkTarget target{};
    target.way = LinkWay::kDatagram;
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(kGaspPort);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    target.address_bytes = sizeof(to);
    std::memcpy(target.address, &to, sizeof(to));
    if (writer.hand_over_links({&target, 1}, {&socket, 1}) != 0) ::_exit(1);
  }

  std::vector<PlanAddress> addresses_;
  std::string folder_;
  int page_fd_ = -1;
  GroupKind kind_ = GroupKind::kAddress;
};

// A control group (version 2) with a process of a process in it; what it holds ends with the object.
class Services {
 public:
  Services() {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; std::getline(mounts, line);) {
      char place[256];
      char type[64];
      if (std::sscanf(line.c_str(), "%*s %255s %63s", place, type) != 2 || std::string(type) != "cgroup2") continue;
      folder = std::string(place) + "/twinbeat-test-" + std::to_string(::getpid());
      if (::mkdir(folder.c_str(), 0755) != 0 || ::mkdir((folder + "/run-web").c_str(), 0755) != 0) folder.clear();
      return;
    }
  }
  ~Services() {
    if (folder.empty()) return;
    std::ofstream(folder + "/cgroup.kill") << "1";
    static_cast<void>(within_patience([&] {
      return (::rmdir((folder + "/run-web").c_str()) == 0 || errno == ENOENT) && (::rmdir(folder.c_str()) == 0 || errno == ENOENT);
    }));
  }
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  // Of nobody's process group, with a child of its own.
  void start() const {
    const std::string inside = folder + "/run-web/cgroup.procs";
    const pid_t child = ::fork();
    if (child == 0) {
      std::ofstream(inside) << ::getpid();
      ::setsid();
      if (::fork() == 0) ::setsid();
      for (;;) ::pause();
    }
    REQUIRE(within_patience([&] { return count() >= 2; }));
    child_ = child;
  }
  void collect() const { ::waitpid(child_, nullptr, 0); }
  [[nodiscard]] std::size_t count() const {
    std::ifstream procs(folder + "/run-web/cgroup.procs");
    std::size_t lines = 0;
    for (std::string line; std::getline(procs, line);) ++lines;
    return lines;
  }
  [[nodiscard]] bool is_there() const { return ::access(folder.c_str(), F_OK) == 0; }

  std::string folder;  // empty: there is no writable hierarchy

 private:
  mutable pid_t child_ = -1;
};

// Ears for last words on the loopback interface of the lab.
class Ear {
 public:
  explicit Ear(NetLab& lab) {
    REQUIRE(lab.here("ip link set lo up"));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(kGaspPort);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof(at)) == 0);
  }
  ~Ear() {
    ::close(fd_);
    ::close(mouth);
  }
  Ear(const Ear&) = delete;
  Ear& operator=(const Ear&) = delete;

  [[nodiscard]] bool hears(int patience_ms) const {
    pollfd entry{fd_, POLLIN, 0};
    return ::poll(&entry, 1, patience_ms) == 1;
  }

  int mouth = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

 private:
  int fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

}  // namespace

TEST_CASE("a killed process's addresses are gone within moments, others stay") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  constexpr int kTries = 10;
  std::vector<Micros> took;
  for (int i = 0; i < kTries; ++i) {
    Scene scene({planned("10.9.0.5", 24), planned("10.9.0.6", 24), planned("fd00::5", 64)});
    REQUIRE(scene.start());
    REQUIRE(lab.here("ip addr add 10.9.0.5/24 dev tb0; ip addr add 10.9.0.77/24 dev tb0; ip addr add fd00::5/64 dev tb0 nodad"));
    const Micros killed = boottime_now();
    ::kill(scene.daemon, SIGKILL);
    REQUIRE(within_patience([] { return !configured("10.9.0.5").has_value(); }));
    took.push_back(boottime_now() - killed);
    ::waitpid(scene.daemon, nullptr, 0);
    scene.daemon = -1;
    REQUIRE(within_patience([&] { return scene.is_done(); }));
    CHECK_FALSE(configured("fd00::5").has_value());
    // The kernel took it away with its primary; it is none of ours.
    CHECK(configured("10.9.0.77").has_value());
    CHECK(scene.journal().find("guardian.acted") != std::string::npos);
    REQUIRE(lab.here("ip addr flush dev tb0"));
  }
  std::sort(took.begin(), took.end());
  MESSAGE("SIGKILL to gone: median ", took[took.size() / 2], " us, longest ", took.back(), " us");
  CHECK(took.back() < 2 * kMicrosPerSecond);
}

TEST_CASE("last words leave after the removal, on the ways that were handed over") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  const int ear = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(kGaspPort);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(lab.here("ip link set lo up"));
  REQUIRE(::bind(ear, reinterpret_cast<sockaddr*>(&at), sizeof(at)) == 0);
  const int mouth = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  Scene scene({planned("10.9.0.5", 24)});
  REQUIRE(scene.start(mouth));
  ::close(mouth);
  REQUIRE(lab.here("ip addr add 10.9.0.5/24 dev tb0"));
  ::kill(scene.daemon, SIGKILL);
  pollfd entry{ear, POLLIN, 0};
  REQUIRE(::poll(&entry, 1, kPatienceMs) == 1);
  CHECK_FALSE(configured("10.9.0.5").has_value());
  char words[64] = "";
  CHECK(::recv(ear, words, sizeof(words), 0) == static_cast<ssize_t>(sizeof(kWords) - 1));
  CHECK(std::string(words) == kWords);
  ::close(ear);
}

TEST_CASE("services in a control group end with the daemon, and only then are there last words") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Services services;
  if (services.folder.empty()) {
    MESSAGE("skipped: no writable control groups of version 2");
    return;
  }
  Ear ear(lab);
  Scene scene({planned("10.9.0.5", 24)});
  scene.has_services();
  REQUIRE(scene.start(ear.mouth));
  services.start();
  CHECK(scene.ask("kill web " + services.folder) == "ok\n");
  REQUIRE(lab.here("ip addr add 10.9.0.5/24 dev tb0"));
  scene.end_daemon();
  services.collect();
  REQUIRE(ear.hears(kPatienceMs));
  CHECK_FALSE(services.is_there());
  CHECK_FALSE(configured("10.9.0.5").has_value());
  REQUIRE(within_patience([&] { return scene.is_done(); }));
  CHECK(scene.journal().find("services of 1 groups ended, last words of 1 groups") != std::string::npos);
}

TEST_CASE("services without a control group of their own, or spared again, run on and have no last words") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Services services;
  if (services.folder.empty()) {
    MESSAGE("skipped: no writable control groups of version 2");
    return;
  }
  services.start();
  for (const bool spared : {true, false}) {
    Ear ear(lab);
    Scene scene({planned("10.9.0.5", 24)});
    scene.has_services();
    REQUIRE(scene.start(ear.mouth));
    CHECK(scene.ask("kill web " + services.folder + (spared ? "" : "-of-nobody")) == "ok\n");
    if (spared) CHECK(scene.ask("spare web") == "ok\n");
    REQUIRE(lab.here("ip addr replace 10.9.0.5/24 dev tb0"));
    scene.end_daemon();
    REQUIRE(within_patience([&] { return scene.is_done(); }));
    CHECK_FALSE(configured("10.9.0.5").has_value());
    CHECK_FALSE(ear.hears(0));
    CHECK(services.count() >= 2);
  }
  std::ofstream(services.folder + "/cgroup.kill") << "1";
  services.collect();
}

TEST_CASE("services are not ended while they are kept, and not by a goodbye") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Services services;
  if (services.folder.empty()) {
    MESSAGE("skipped: no writable control groups of version 2");
    return;
  }
  services.start();
  for (const bool kept : {false, true}) {
    Scene scene({planned("10.9.0.5", 24)});
    scene.has_services();
    REQUIRE(scene.start());
    CHECK(scene.ask("kill web " + services.folder) == "ok\n");
    if (kept) {
      CHECK(scene.ask("keep " + std::to_string(boottime_now() + 60 * kMicrosPerSecond)) == "ok\n");
      scene.end_daemon();
      ::usleep(100'000);
      CHECK(scene.ask("relieve") == "ok\n");
    } else {
      CHECK(scene.ask("goodbye").starts_with("ok"));
      REQUIRE(within_patience([&] { return scene.is_done(); }));
      scene.end_daemon();
    }
    REQUIRE(within_patience([&] { return scene.is_done(); }));
    CHECK(services.count() >= 2);
  }
  std::ofstream(services.folder + "/cgroup.kill") << "1";
  services.collect();
}

TEST_CASE("a stopped process is killed and its addresses removed when a peer is ready, not otherwise") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Scene scene({planned("10.9.0.5", 24)});
  REQUIRE(scene.start());
  REQUIRE(lab.here("ip addr add 10.9.0.5/24 dev tb0"));
  scene.page->groups[0].peer_ready.store(0);
  scene.page->limits.freeze_us.store(50 * kMicrosPerMilli);
  scene.page->progress_at_us.store(boottime_now());
  scene.page->limits.running.store(1);
  ::kill(scene.daemon, SIGSTOP);
  ::usleep(1'500'000);  // its idle look comes each second
  CHECK(configured("10.9.0.5").has_value());
  scene.page->groups[0].peer_ready.store(1);
  REQUIRE(within_patience([] { return !configured("10.9.0.5").has_value(); }));
  int status = 0;
  CHECK(::waitpid(scene.daemon, &status, 0) == scene.daemon);
  CHECK(WIFSIGNALED(status));
  scene.daemon = -1;
  CHECK(within_patience([&] { return scene.is_done(); }));
}

TEST_CASE("after a goodbye nothing is removed, and while kept nothing either") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  for (const bool kept : {false, true}) {
    Scene scene({planned("10.9.0.5", 24)});
    REQUIRE(scene.start());
    REQUIRE(lab.here("ip addr replace 10.9.0.5/24 dev tb0"));
    if (kept) {
      CHECK(scene.ask("keep " + std::to_string(boottime_now() + 1'500'000)) == "ok\n");
      scene.end_daemon();
      ::usleep(300'000);
      CHECK(configured("10.9.0.5").has_value());
      REQUIRE(within_patience([] { return !configured("10.9.0.5").has_value(); }));
      REQUIRE(within_patience([&] { return scene.is_done(); }));
      CHECK(scene.journal().find("no successor") != std::string::npos);
    } else {
      CHECK(scene.ask("goodbye") == "ok held\n");
      REQUIRE(within_patience([&] { return scene.is_done(); }));
      scene.end_daemon();
      CHECK(configured("10.9.0.5").has_value());
    }
  }
}

TEST_CASE("an interface that was renamed still loses the address") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  PlanAddress address = planned("10.9.0.5", 24);
  address.ifindex = ::if_nametoindex(NetLab::kHere);
  Scene scene({address});
  REQUIRE(scene.start());
  REQUIRE(lab.here("ip addr add 10.9.0.5/24 dev tb0; ip link set tb0 down; ip link set tb0 name tb9; ip link set tb9 up"));
  scene.end_daemon();
  CHECK(within_patience([] { return !configured("10.9.0.5", "tb9").has_value(); }));
  CHECK(lab.here("ip link set tb9 down; ip link set tb9 name tb0; ip link set tb0 up"));
}

TEST_CASE("a device that is no watchdog is refused, whatever it is") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Scene scene({planned("10.9.0.5", 24)});
  REQUIRE(scene.start());
  REQUIRE(::mkfifo(scene.path("fifo").c_str(), 0600) == 0);
  std::ofstream(scene.path("file")) << "x";
  for (const char* name : {"fifo", "file", "missing"}) {
    CAPTURE(name);
    CHECK(scene.ask("watchdog 10 " + scene.path(name)).starts_with("failed "));
  }
  CHECK(scene.ask("watchdog soon").starts_with("refused"));
  CHECK(scene.ask("status").starts_with("ok protocol=1 "));
  // The file was not written to: nothing but a watchdog is petted.
  std::stringstream text;
  text << std::ifstream(scene.path("file")).rdbuf();
  CHECK(text.str() == "x");
}

TEST_CASE("a page scribbled over deceives the guardian, but does not crash it") {
  NetLab lab;
  TB_NEEDS_LAB(lab);
  Scene scene({planned("10.9.0.5", 24)});
  REQUIRE(scene.start());
  REQUIRE(lab.here("ip addr add 10.9.0.5/24 dev tb0"));
  const pid_t guardian = scene.guardian();
  auto* bytes = reinterpret_cast<std::uint8_t*>(scene.page);
  // Everything behind the locks; then the insides of the locks but for the kernel's word.
  const std::size_t behind = offsetof(Page, current_plan);
  std::memset(bytes + behind, 0xa5, sizeof(Page) - behind);
  for (ThreadLock& lock : scene.page->locks) {
    std::memset(reinterpret_cast<char*>(&lock.mutex) + 8, 0xa5, sizeof(lock.mutex) - 8);
  }
  scene.page->keep_until_us.store(0);
  scene.end_daemon();
  CHECK(within_patience([] { return !configured("10.9.0.5").has_value(); }));
  CHECK(within_patience([&] { return scene.is_done() || ::kill(guardian, 0) != 0; }));
  CHECK(scene.journal().find("guardian.acted") != std::string::npos);
}
