// Every code a configuration finding can carry, with the sentence that explains the class. Codes are
// stable: scripts and documents refer to them.

export const CONFIG_CODES = {
  TB_CONFIG_FILE: 'a file is missing or cannot be read',
  TB_CONFIG_MODE: 'a file is readable or writable by more users than it should be',
  TB_CONFIG_UNKNOWN: 'a directive that does not exist',
  TB_CONFIG_PLACE: 'a directive in the wrong file, or too late in the file to count',
  TB_CONFIG_SYNTAX: 'a line that does not have the form its directive needs',
  TB_CONFIG_VALUE: 'a value outside of what the directive takes',
  TB_CONFIG_REPEATED: 'something that may stand only once stands twice',
  TB_CONFIG_TIMING: 'times that contradict each other',
  TB_CONFIG_NODE: 'the list of nodes does not fit this machine or this program',
  TB_CONFIG_LINK: 'heartbeat links that are missing or cannot work',
  TB_CONFIG_NO_EFFECT: 'a directive that is accepted and does nothing',
  TB_CONFIG_NOT_IMPLEMENTED: 'a directive that protects data or drops resources and does not work yet',
  TB_CONFIG_ACCEPTED_WITHOUT: 'protection that is asked for and that the operator agreed to run without',
  TB_CONFIG_REPLACED: 'a program or directive whose work twinbeat does in another way',
  TB_CONFIG_COMPATIBILITY: 'something a real heartbeat reads in another way or not at all',
  TB_CONFIG_AUTH: 'authentication that is missing or weak',
  TB_CONFIG_GROUP: 'a resource group that cannot be served as written',
  TB_CONFIG_ADDRESS: 'an address that cannot be served as written',
  TB_CONFIG_AGENT: 'an agent definition that cannot be used',
  TB_CONFIG_FENCE: 'a fence device that cannot be used as written, or fencing that protects nothing',
  TB_CONFIG_SPLIT_BRAIN: 'nothing prevents both nodes from holding a group while they cannot talk',
  TB_CONFIG_LEASE: 'lease protection that cannot protect as it is written',
  TB_CONFIG_TOO_MANY: 'more findings than are shown',
} as const

export type ConfigCode = keyof typeof CONFIG_CODES
