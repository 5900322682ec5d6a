// Every error an operator can meet, in one table: what it means and what to do next.
// docs/reference/errors.md is rendered from it.

export interface ErrorEntry {
  /** Exit code of a command that ends with this error. */
  readonly exit: number
  /** What to do; shown after the message. */
  readonly hint: string
}

export const errorTable = {
  TB_ADDON_MISSING: {
    exit: 2,
    hint: "build it with 'npm run build:native' in the project's folder; g++, make and python3 are needed",
  },
  TB_ADDON_ABI: {
    exit: 2,
    hint: "the addon and the program differ in age: rebuild with 'npm run build:native'",
  },
  TB_CONFIG: { exit: 1, hint: "'twinbeat check' shows every problem with its place" },
  TB_ALREADY_RUNNING: {
    exit: 3,
    hint: "'twinbeat status' talks to the running one; 'twinbeat stop' ends it",
  },
  TB_GUARDIAN: {
    exit: 2,
    hint: "without a guardian nothing is taken; 'npm run build:native' builds it, the log says what else is missing",
  },
  TB_FOREIGN_MANAGER: {
    exit: 3,
    hint: 'stop and disable it first: two managers of the same addresses end in two owners',
  },
  TB_ADDRESS_CONFIGURED: {
    exit: 3,
    hint: 'remove the address from the network configuration of the system: only the cluster may bring it up',
  },
  TB_ENGINE_ARGUMENT: { exit: 2, hint: 'the message names the argument and what it must be' },
  TB_ENGINE_STATE: { exit: 2, hint: 'configure, setGeneration, start, and only then send' },
  TB_SERIAL_LINE: {
    exit: 2,
    hint: "the path must be a free serial device; 'fuser -v DEVICE' shows who holds it",
  },
  TB_ENGINE_START: {
    exit: 2,
    hint: "see the message; 'twinbeat check' tests interfaces and devices one by one",
  },
  TB_ADDRESS_QUERY: {
    exit: 2,
    hint: 'the kernel would not tell its addresses or routes; is this a network namespace of its own?',
  },
  TB_STATE_WRITE: { exit: 2, hint: 'free space on, or fix the permissions of, the state folder' },
  TB_RUN_DIR: {
    exit: 2,
    hint: 'the run folder must be writable by root; choose another with --run-dir',
  },
  TB_NOT_RUNNING: { exit: 1, hint: "start it with 'twinbeatd' (or 'systemctl start twinbeat')" },
  TB_CONTROL_DENIED: {
    exit: 4,
    hint: 'reading needs root or the group haclient; changing needs root or a user named in apiauth',
  },
  TB_CONTROL_PROTOCOL: { exit: 2, hint: 'one JSON object a line, at most 64 KiB' },
  TB_CONTROL_TIMEOUT: {
    exit: 5,
    hint: "the daemon did not answer in time: see its log and 'twinbeat status'",
  },
  TB_STANDBY_NO_REPLY: {
    exit: 6,
    hint: "the peer did not answer the request in time: look at its log, then 'twinbeat status' and try again",
  },
  TB_STANDBY_NO_TARGET: {
    exit: 6,
    hint: 'the peer must be active before groups can be handed to it',
  },
  TB_STANDBY_NOTHING: { exit: 6, hint: "'twinbeat status' shows which node holds what" },
  TB_STANDBY_SET_ONLY: {
    exit: 6,
    hint: "say 'all', 'local' or 'foreign': a real heartbeat moves nothing smaller",
  },
  TB_STANDBY_LEGACY: {
    exit: 6,
    hint: "write 'auto_failback on' or 'auto_failback off' on both nodes",
  },
  TB_ARBITER_SILENT: {
    exit: 6,
    hint: "the group stays where it is until the arbiter answers: 'twinbeat status' shows its last words",
  },
  TB_STOP_BLOCKED: {
    exit: 6,
    hint: 'end by hand what does not stop, then stop again; nobody starts it elsewhere until then',
  },
  TB_MAINTENANCE: {
    exit: 6,
    hint: "'twinbeat maintenance off' ends it on both nodes; 'twinbeat status' says how long it lasts",
  },
  TB_ON_HOLD: { exit: 6, hint: "'twinbeat unhold GROUP' on either node, then again" },
  TB_PEER_SEEN: { exit: 6, hint: "'twinbeat status' shows both nodes; to get a group, use 'twinbeat takeover'" },
  TB_NOT_BLOCKED: { exit: 6, hint: "only a group whose stop failed is blocked: 'twinbeat explain GROUP' says what holds it" },
  TB_STILL_RUNNING: {
    exit: 6,
    hint: "end by hand what the message names, then 'twinbeat unblock GROUP' again",
  },
  TB_CONFIRM: { exit: 64, hint: 'answer yes at the prompt, or give --yes' },
  TB_START_FAILED: {
    exit: 6,
    hint: "the log names the member and what it said; 'twinbeat status' shows its last result",
  },
  TB_FENCE_TARGET: { exit: 6, hint: "name the other node, as 'twinbeat status' shows it" },
  TB_FENCE_NO_DEVICE: {
    exit: 6,
    hint: "write a fence_device for it in twinbeat.cf, or switch it off by hand and 'twinbeat confirm-fenced' it",
  },
  TB_FENCE_FAILED: {
    exit: 6,
    hint: "'twinbeat check --probe' asks each device; switch the node off by hand, then 'twinbeat confirm-fenced'",
  },
  TB_FENCE_ALIVE: {
    exit: 6,
    hint: "a node that is heard runs: 'twinbeat fence' switches it off, 'twinbeat status' shows on which links it is heard",
  },
  TB_HANDOVER_REFUSED: {
    exit: 6,
    hint: "'twinbeat status' on the peer says why it does not want the group",
  },
  TB_NOT_FIT: {
    exit: 6,
    hint: "'twinbeat explain' of the group says what keeps it from running here; try again when that is gone",
  },
  TB_PEER_LOST: { exit: 6, hint: 'the peer is dead or gone: see its own log' },
  TB_RESET_FAILED: {
    exit: 6,
    hint: 'end by hand what does not stop, then reboot this machine: the peer takes over when it is silent',
  },
  TB_LAPSED: {
    exit: 75,
    hint: 'this process stood still for too long and has let go of everything: a supervisor starts it anew',
  },
  TB_BUSY: {
    exit: 6,
    hint: "'twinbeat status' shows what is under way: wait for it to end and try again",
  },
  TB_UNKNOWN_GROUP: { exit: 6, hint: "'twinbeat status' lists the groups by their key" },
  TB_CAPTURE: {
    exit: 1,
    hint: 'pcap and pcapng files are read, not compressed; what was read before the damage is printed',
  },
  TB_RECORD_FORMAT: {
    exit: 1,
    hint: "the daemon writes records to 'record' in its state folder; a file of another version needs the program that wrote it",
  },
  TB_MEASURE_ICMP: {
    exit: 2,
    hint: "only --icmp needs it: 'npm install raw-socket' (g++ and make), or measure a port of the service with --port",
  },
  TB_MEASURE_SOCKET: {
    exit: 2,
    hint: '--icmp needs root or CAP_NET_RAW; --port needs a route to the address',
  },
  TB_DRILL_NODE: {
    exit: 2,
    hint: 'try the prefix by hand: PREFIX twinbeat status; --tool says how the tool is called on the nodes',
  },
  TB_DRILL_SAMPLES: { exit: 2, hint: 'choose another file with --samples' },
  TB_TUNE_SAMPLE: {
    exit: 1,
    hint: "the pair must run, both nodes up, for the whole time: 'twinbeat status', then again",
  },
  TB_USAGE: { exit: 64, hint: "see 'twinbeat --help'" },
  TB_INTERNAL: { exit: 70, hint: 'this is a fault of the program: keep the log and report it' },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorTable

/** An error meant for a person: code, what/where/why, and what to do. No stack is ever shown for it. */
export class TwinbeatError extends Error {
  override readonly name = 'TwinbeatError'
  readonly hint: string
  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { cause?: unknown; hint?: string; details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.hint = options.hint ?? errorTable[code].hint
    this.details = options.details ?? {}
  }
  readonly details: Readonly<Record<string, unknown>>
  get exitCode(): number {
    return errorTable[this.code].exit
  }
}

/** The message of anything that was thrown, without a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The errno name of a Node system error, or null. */
export function errnoOf(error: unknown): string | null {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return null
}
