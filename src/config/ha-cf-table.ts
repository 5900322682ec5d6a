// Every directive of ha.cf. Names, forms and defaults are those of heartbeat 3.0.6.

import {
  choice, directive, integer, kBoolean, kPath, kText, kTime, lenient, type Directive,
} from './directives.js'

export const kFacilities = [
  'auth', 'authpriv', 'cron', 'daemon', 'ftp', 'kern', 'lpr', 'mail', 'news', 'syslog', 'user', 'uucp',
  'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7',
] as const

export const kBaudRates = [
  300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800,
] as const

const kWithCrmOnly = 'it belongs to the CRM, which is off in haresources mode'

const kNodes: readonly Directive[] = [
  directive('node', 'node NAME...', 'list', kText, null, 'the members of a cluster are never guessed',
    'A node of the cluster, by its `uname -n`. Names are lower-cased; this machine must be among them.'),
  directive('autojoin', 'autojoin none|other|any', 'option', choice('none', 'other', 'any'), 'none',
    'with haresources the nodes are fixed', 'Whether unlisted nodes may join. Only `none` is possible.'),
  directive('cluster', 'cluster NAME', 'option', kText, 'linux-ha', 'as heartbeat',
    'Name of the cluster, shown in status.'),
  directive('quorum_server', 'quorum_server HOST', 'option', kText, null, 'off', 'Host that breaks ties.',
    'no quorum is computed in haresources mode, the server would never be asked'),
]

const kTiming: readonly Directive[] = [
  directive('keepalive', 'keepalive TIME', 'option', kTime, '1000ms', 'as heartbeat',
    'Time between two heartbeats of this node.'),
  directive('deadtime', 'deadtime TIME', 'option', kTime, '30000ms', 'as heartbeat',
    'Silence after which this node is to be declared dead; announced to the peer. More than 2 x keepalive.'),
  directive('warntime', 'warntime TIME', 'option', kTime, null, 'deadtime / 2, as heartbeat',
    'Silence after which a late heartbeat is logged.'),
  directive('initdead', 'initdead TIME', 'option', kTime, null,
    'deadtime above 10 s; 12 s with a deadtime under 6 s; else 2 x deadtime, as heartbeat',
    'Wait at start before a node never heard is declared dead. At least deadtime; networks and peers boot slowly.'),
  directive('deadping', 'deadping TIME', 'option', kTime, null, 'deadtime, as heartbeat',
    'Silence after which a ping node is dead. More than 2 x keepalive.'),
  directive('max_rexmit_delay', 'max_rexmit_delay MILLISECONDS', 'option', lenient(1, 3_600_000), '250',
    'as heartbeat', 'Time between two requests for a lost message.'),
  directive('hopfudge', 'hopfudge NUMBER', 'option', lenient(0, 255), '1', 'as heartbeat',
    'Added to the number of nodes in the `ttl` field of messages; nothing reads it.'),
]

const kLinks: readonly Directive[] = [
  directive('udpport', 'udpport PORT', 'option', integer(1, 65535), null,
    'service ha-cluster/udp of this machine, else 694', 'Port of the links that follow it in the file.'),
  directive('baud', 'baud RATE', 'option', choice(...kBaudRates.map(String)), '19200', 'as heartbeat',
    'Speed of the serial links that follow it in the file.'),
  directive('bcast', 'bcast INTERFACE...', 'list', kText, null, 'none', 'Heartbeats by UDP broadcast.'),
  directive('udp', 'udp INTERFACE...', 'list', kText, null, 'none', 'Old name of `bcast`.'),
  directive('ucast', 'ucast INTERFACE ADDRESS', 'line', kText, null, 'none',
    'Heartbeats by UDP to one address. A line with the own address is harmless, so both nodes may use one file.'),
  directive('ucast6', 'ucast6 INTERFACE ADDRESS', 'line', kText, null, 'none', 'As `ucast`, over IPv6.'),
  directive('mcast', 'mcast INTERFACE GROUP PORT TTL LOOP', 'line', kText, null, 'none',
    'Heartbeats by UDP multicast. LOOP is 0: the own copy is not needed.'),
  directive('mcast6', 'mcast6 INTERFACE GROUP PORT HOPS LOOP', 'line', kText, null, 'none',
    'As `mcast`, over IPv6.'),
  directive('serial', 'serial DEVICE...', 'list', kText, null, 'none',
    'Heartbeats over a null-modem cable, full device path.'),
  directive('ping', 'ping HOST...', 'list', kText, null, 'none',
    'Hosts that are no members but tell whether the network is there. Each is a node of type ping.'),
  directive('ping6', 'ping6 HOST...', 'list', kText, null, 'none', 'As `ping`, over IPv6.'),
  directive('ping_group', 'ping_group NAME HOST...', 'line', kText, null, 'none',
    'One ping node that is alive while any of the hosts answers.'),
]

const kResources: readonly Directive[] = [
  directive('auto_failback', 'auto_failback on|off|legacy', 'option', choice('on', 'off', 'legacy'), 'legacy',
    'as heartbeat, which warns too: write `on` or `off`',
    'Whether groups return to their home node when it is back. `legacy` is the protocol of heartbeat 1.1.'),
  directive('nice_failback', 'nice_failback on|off', 'option', kBoolean, null, 'obsolete',
    'Old form: `on` is `auto_failback off`, `off` is `auto_failback legacy`.'),
  directive('stonith', 'stonith TYPE CONFIGFILE', 'line', kText, null, 'none',
    'Fencing device of this cluster; the file holds its parameters in one line. Means `split_brain fence`.'),
  directive('stonith_host', 'stonith_host HOST|* TYPE PARAMETER...', 'line', kText, null, 'none',
    'Fencing device reachable from one host (`*`: from every host), with its parameters in the order of the plugin. '
    + 'Means `split_brain fence`.'),
  directive('watchdog', 'watchdog DEVICE', 'option', kPath, null, 'none',
    'Hardware timer that resets this machine when heartbeat stops feeding it.'),
  directive('crm', 'crm off', 'option', kText, 'off', 'haresources mode', 'Cluster resource manager: must be off.'),
  directive('pacemaker', 'pacemaker off', 'option', kText, 'off', 'haresources mode', 'Other name of `crm`.'),
  ...['crm_daemon_dir', 'crmd_spawns_pengine', 'record_config_changes', 'record_pengine_inputs',
    'enable_config_writes'].map((name) =>
    directive(name, `${name} VALUE`, 'option', kText, null, 'none', 'Setting of the CRM.', kWithCrmOnly)),
]

const kPrograms: readonly Directive[] = [
  directive('respawn', 'respawn USER PROGRAM [ARGUMENT...]', 'line', kText, null, 'none',
    'A program to run beside the daemon; started again unless it exits with 100, given up after 10 deaths '
    + 'within 30 s each.'),
  directive('failfast', 'failfast USER PROGRAM [ARGUMENT...]', 'line', kText, null, 'none',
    'As `respawn`, but this machine is reset when the program dies abnormally.'),
  directive('apiauth', 'apiauth CLIENT [uid=USER,...] [gid=GROUP,...]', 'line', kText, null, 'root only',
    'Users and groups that may give commands over the control socket.'),
  directive('env', 'env NAME=VALUE...', 'list', kText, null, 'none', 'Sets HA_NAME for every resource script.'),
  directive('use_apphbd', 'use_apphbd on|off', 'option', kBoolean, 'off', 'as heartbeat',
    'Lets apphbd watch the daemon, which twinbeat does not: service managers watch it by sd_notify.'),
]

const kLogging: readonly Directive[] = [
  directive('logfile', 'logfile PATH', 'option', kPath, null, 'none', 'Log of everything but debugging.'),
  directive('debugfile', 'debugfile PATH', 'option', kPath, null, 'none', 'Log with debugging.'),
  directive('logfacility', 'logfacility FACILITY|none', 'option', choice('none', ...kFacilities), null,
    'daemon if none of logfile, debugfile and logfacility is set', 'Facility for syslog.'),
  directive('debug', 'debug LEVEL', 'option', lenient(0, 255), '0', 'as heartbeat', 'Amount of debugging in the log.'),
  directive('use_logd', 'use_logd on|off', 'option', kBoolean, 'off', 'as heartbeat', 'Log through ha_logd.',
    'the log is written by twinbeat itself and never delays anything; logfile, debugfile and logfacility count'),
  directive('conn_logd_time', 'conn_logd_time TIME', 'option', kTime, '60', 'as heartbeat',
    'Time between two tries to reach ha_logd.', 'there is no log daemon to connect to'),
  directive('syslogmsgfmt', 'syslogmsgfmt on|off', 'option', kBoolean, 'true', 'as heartbeat',
    'Log lines in the form of syslog.',
    'log lines always have that form; `log_format json` in twinbeat.cf is the other'),
  directive('log_badpack', 'log_badpack on|off', 'option', kBoolean, 'true', 'as heartbeat',
    'Whether malformed and unauthentic packets are logged. They are counted in any case.'),
]

const kProcess: readonly Directive[] = [
  directive('realtime', 'realtime on|off', 'option', kBoolean, 'true', 'as heartbeat',
    'Real-time scheduling of the heartbeat threads.'),
  directive('rtprio', 'rtprio NUMBER', 'option', lenient(1, 99), '1', 'as heartbeat', 'Priority for `realtime`.'),
  directive('memreserve', 'memreserve KIB', 'option', integer(0, 1 << 30), '6500', 'as heartbeat',
    'Memory to reserve before it is locked.', 'the engine allocates all of its memory once, before it starts'),
  directive('coredumps', 'coredumps on|off', 'option', kBoolean, 'true',
    'heartbeat says true; twinbeat writes none unless `coredumps on` is written: a dump delays the release '
    + 'of addresses',
    'Whether a crash leaves a core file.'),
  directive('coreroot', 'coreroot PATH', 'option', kPath, null, 'the folder of the daemon', 'Where core files go.'),
  directive('hbgenmethod', 'hbgenmethod file|time', 'option', choice('file', 'time'), 'file', 'as heartbeat',
    'Source of the generation number at start.'),
  directive('uuidfrom', 'uuidfrom file|nodename', 'option', choice('file', 'nodename'), 'file', 'as heartbeat',
    'Source of the uuid of this node.'),
  directive('msgfmt', 'msgfmt classic|netstring', 'option', choice('classic', 'netstring'), 'classic', 'as heartbeat',
    'Whether messages carry the inner signature that serial writers need (`classic`).'),
  directive('compression', 'compression zlib|bz2', 'option', choice('zlib', 'bz2'), 'zlib', 'as heartbeat',
    'Method for large messages.', 'no message of haresources mode is large enough to be compressed'),
  directive('compression_threshold', 'compression_threshold KIB', 'option', integer(1, 1 << 20), '2', 'as heartbeat',
    'Size above which messages are compressed.', 'no message of haresources mode is compressed'),
  directive('traditional_compression', 'traditional_compression on|off', 'option', kBoolean, 'no', 'as heartbeat',
    'Compress whole messages.', 'no message of haresources mode is compressed'),
  directive('normalpoll', 'normalpoll on|off', 'option', kBoolean, 'true', 'as heartbeat', 'Which poll() to use.',
    'the engine uses epoll; most builds of heartbeat refuse this directive'),
]

export const HA_CF: readonly Directive[] = [
  ...kNodes, ...kTiming, ...kLinks, ...kResources, ...kPrograms, ...kLogging, ...kProcess,
]

/** Directives of other programs that people put into ha.cf, with the answer. */
export const kForeign: Readonly<Record<string, string>> = {
  hbaping: 'Fibre Channel ping nodes do not exist in heartbeat 3 either; use ping',
}
