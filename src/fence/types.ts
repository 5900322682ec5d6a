// What a fencing device is to the rest of the program, whoever made it. Plain data and one door.

import type { FenceDeviceConfig } from '../config/model.js'

export type FenceAction = 'off' | 'on' | 'reboot' | 'status'

/** Only `confirmed` says that it is done. `manual`: a person has to do it, and says so elsewhere. */
export interface FenceAnswer {
  readonly outcome: 'confirmed' | 'failed' | 'timeout' | 'manual'
  /** One line for people, secrets masked. */
  readonly text: string
}

export interface ProgramRequest {
  /** Absolute path. */
  readonly program: string
  readonly args: readonly string[]
  /** The whole environment: nothing of the daemon's own is added. */
  readonly env: Readonly<Record<string, string>>
  /** For its standard input: the way for secrets. */
  readonly input: string
  readonly timeoutMs: number
}

export type ProgramEnd =
  | {
      readonly kind: 'exited'
      readonly exitCode: number | null
      readonly signal: string | null
      readonly stdout: string
      readonly stderr: string
    }
  | { readonly kind: 'timeout' | 'aborted'; readonly stdout: string; readonly stderr: string }
  | { readonly kind: 'unstartable'; readonly reason: string }

export interface ProgramRun {
  /** At the exit, or at the moment of the timeout. Never rejects. */
  readonly end: Promise<ProgramEnd>
  /** When nothing of its process group is left, or it is found that something stays. */
  readonly settled: Promise<unknown>
  abort(): void
}

/** The one way to start a program here: process group killed whole, bounded output. */
export type RunProgram = (request: ProgramRequest) => ProgramRun

/** Where the programs are; tests bring their own. */
export interface FencePlaces {
  readonly externalDir: string
  /** Debian's command for the compiled plugins. */
  readonly stonith: string
  readonly agentDir: string
  readonly ssh: string
}

export const defaultPlaces: FencePlaces = {
  externalDir: '/usr/lib/stonith/plugins/external',
  stonith: '/usr/sbin/stonith',
  agentDir: '/usr/sbin',
  ssh: '/usr/bin/ssh',
}

/** Runs programs one after the other under one deadline. */
export interface Attempt {
  run(request: Omit<ProgramRequest, 'timeoutMs'>): Promise<ProgramEnd>
  /** Resolves after that time, or earlier at the deadline. */
  pause(ms: number): Promise<void>
  readonly overdue: boolean
}

export interface FenceDevice {
  /** `target` is the node's name as the device knows it, `node` as the cluster does. */
  order(action: FenceAction, target: DeviceTarget, attempt: Attempt): Promise<FenceAnswer>
}

export interface DeviceTarget {
  readonly node: string
  /** Outlet, host name or domain; null: not said, so the node's own name where a name is needed. */
  readonly as: string | null
}

/** One kind of device. A new one is a row of the registry and a file. */
export interface DeviceKind {
  readonly name: string
  readonly takes: (type: string) => boolean
  /** File that must be executable on this machine; null: none. */
  readonly program: (type: string, places: FencePlaces) => string | null
  readonly open: (config: FenceDeviceConfig, places: FencePlaces) => FenceDevice
}
