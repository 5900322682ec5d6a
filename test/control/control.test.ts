import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { ask } from '../../src/control/client.js'
import { controlLineMaxBytes, LineSplitter, parseRequest } from '../../src/control/protocol.js'
import { ControlServer, type Method, type Permission } from '../../src/control/server.js'
import { TwinbeatError } from '../../src/errors.js'
import { systemCalls } from '../../src/system/system.js'

describe('control socket', () => {
  let runDir = ''
  let server: ControlServer
  let permission: Permission = 'write'
  const methods = new Map<string, Method>([
    ['echo', { needs: 'read', run: async (args) => await Promise.resolve(args) }],
    [
      'change',
      {
        needs: 'write',
        run: async (_, context) => {
          context.progress('half way')
          return await Promise.resolve(context.caller)
        },
      },
    ],
    [
      'refuse',
      {
        needs: 'read',
        run: async () => await Promise.reject(new TwinbeatError('TB_STANDBY_NO_TARGET', 'no peer')),
      },
    ],
    [
      'hang',
      {
        needs: 'read',
        run: async () =>
          await new Promise(() => {
            /* never */
          }),
      },
    ],
  ])
  beforeEach(async () => {
    runDir = mkdtempSync(path.join(tmpdir(), 'tb-control-'))
    permission = 'write'
    server = new ControlServer({
      path: path.join(runDir, 'control'),
      methods,
      credentialsOf: (fd) => systemCalls().peerCredentials(fd),
      permissionOf: () => permission,
      onError: () => {
        /* not asked here */
      },
    })
    await server.listen()
  })
  afterEach(async () => {
    await server.close()
    rmSync(runDir, { recursive: true })
  })
  const options = (): { runDir: string; timeoutMs: number } => ({ runDir, timeoutMs: 2000 })

  it('answers, with progress, and knows the caller from the kernel', async () => {
    const seen: string[] = []
    assert.deepEqual(await ask('echo', { a: 1 }, options()), { a: 1 })
    const caller = await ask('change', {}, { ...options(), onProgress: (text) => seen.push(text) })
    assert.equal(caller, `uid ${String(process.getuid?.())}, pid ${String(process.pid)}`)
    assert.deepEqual(seen, ['half way'])
  })

  it('a refusal keeps its code and hint', async () => {
    await assert.rejects(
      ask('refuse', {}, options()),
      (error: TwinbeatError) =>
        error.code === 'TB_STANDBY_NO_TARGET' && error.hint.includes('peer must be active'),
    )
  })

  it('a reader may not change anything, a stranger may not even read', async () => {
    permission = 'read'
    await assert.rejects(ask('change', {}, options()), { code: 'TB_CONTROL_DENIED' })
    await ask('echo', {}, options())
    permission = 'none'
    await assert.rejects(ask('echo', {}, options()), { code: 'TB_CONTROL_DENIED' })
  })

  it('an answer that does not come is a timeout, no daemon is said as such', async () => {
    await assert.rejects(ask('hang', {}, { runDir, timeoutMs: 50 }), { code: 'TB_CONTROL_TIMEOUT' })
    await assert.rejects(ask('echo', {}, { runDir: path.join(runDir, 'none'), timeoutMs: 50 }), {
      code: 'TB_NOT_RUNNING',
    })
  })

  it('garbage ends its own connection and nobody else notices', async () => {
    const raw = await connect(path.join(runDir, 'control'))
    const closed = new Promise<void>((resolve) => {
      raw.once('close', () => {
        resolve()
      })
    })
    raw.on('data', () => {
      /* refusals */
    })
    raw.write('garbage\n'.repeat(20))
    raw.write('x'.repeat(controlLineMaxBytes * 2))
    await closed
    assert.deepEqual(await ask('echo', { still: 'there' }, options()), { still: 'there' })
  })

  it('half-open clients up to the limit do not keep a new one out once they are gone', async () => {
    const raws = await Promise.all(
      Array.from({ length: 40 }, async () => await connect(path.join(runDir, 'control'))),
    )
    for (const raw of raws) raw.destroy()
    await Promise.all(
      raws.map(async (raw) => {
        if (!raw.closed) await new Promise((resolve) => raw.once('close', resolve))
      }),
    )
    for (let attempt = 0; ; attempt += 1) {
      try {
        await ask('echo', {}, options())
        break
      } catch (error) {
        // The server learns of each close in its own turn of the loop; fifty turns are plenty.
        if (attempt === 50) throw error
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  })
})

async function connect(file: string): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    const socket = createConnection(file, () => {
      resolve(socket)
    })
    socket.on('error', reject)
  })
}

it('any bytes in any pieces give the same lines', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.array(fc.integer({ min: 1, max: 40 })),
      (bytes, cuts) => {
        const whole = new LineSplitter().push(Buffer.from(bytes))
        const splitter = new LineSplitter()
        const pieces: (string | null)[] = []
        let at = 0
        for (const cut of [...cuts, bytes.length]) {
          pieces.push(...splitter.push(Buffer.from(bytes.subarray(at, at + cut))))
          at += cut
          if (at >= bytes.length) break
        }
        assert.deepEqual(pieces, whole)
      },
    ),
  )
})

it('no line makes the request parser throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
      const parsed = parseRequest(line)
      assert.ok(typeof parsed === 'string' || typeof parsed.verb === 'string')
    }),
  )
})
