// The house rules as a test: what a machine can check about files, layers and words. docs/ and the comments say why;
// a rule that proves wrong is changed here, not worked around there.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { cppFunctions } from './tidy/cpp-functions.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
const fileLinesMax = 600
const functionLinesMax = 70
// The aim is 100 columns; this is where a line is no longer read in one go.
const columnsMax = 140

const notOurs = /^(node_modules|dist|build|build-.*|\.cache|\.git|coverage|.*\.(log|node))$/
const binaryKind = /\.(pcap|pcapng|bin|png|gz)$/

function filesUnder(dir: string): string[] {
  return readdirSync(join(root, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name)
    if (notOurs.test(entry.name) || entry.isSymbolicLink()) return []
    return entry.isDirectory() ? filesUnder(path) : entry.isFile() ? [path] : []
  })
}

const allFiles = filesUnder('.').sort()
const texts = new Map<string, string>()

function text(file: string): string {
  const known = texts.get(file) ?? readFileSync(join(root, file), 'utf8')
  texts.set(file, known)
  return known
}

const typescript = allFiles.filter((file) => file.endsWith('.ts'))
const scripts = allFiles.filter((file) => file.endsWith('.mjs'))
const cpp = allFiles.filter((file) => /^native\/.*\.(cc|h)$/.test(file))
const handWritten = [...typescript, ...scripts, ...cpp]
function under(folder: string, files: readonly string[]): string[] {
  return files.filter((file) => file.startsWith(`${folder}/`))
}


/** Fails with every breach at once, each on a line of its own. */
function assertNone(breaches: readonly string[], rule: string): void {
  assert.equal(breaches.length, 0, `${rule}:\n  ${breaches.join('\n  ')}`)
}

function linesWith(files: readonly string[], pattern: RegExp): string[] {
  return files.flatMap((file) => text(file).split('\n')
    .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 120)}`] : [])))
}

// ---- layers ----

/** The first folder below src; a file directly in src stands for itself. */
function layerOf(file: string): string {
  return file.split('/')[1] ?? ''
}

// What every adapter may stand on, besides its own files. `errors.ts` is the table of errors, `system` the
// thin doors to libc; neither knows anything of the others.
const beneathAdapters = ['core', 'config', 'diagnostics', 'system', 'errors.ts']
const mayImport: Record<string, readonly string[] | 'everything'> = {
  core: [],
  diagnostics: ['core'],
  config: ['core', 'diagnostics', 'errors.ts'],
  'errors.ts': ['core', 'diagnostics'],
  system: ['errors.ts'],
  'index.ts': ['core', 'config', 'engine', 'errors.ts', 'capture', 'diagnostics'],
  daemon: 'everything',
  cli: 'everything'
}

interface Import {
  readonly from: string
  readonly target: string
}

/** Every import, export-from and import() of a file; relative ones as paths of the repository. */
function importsOf(file: string): Import[] {
  return ts.preProcessFile(text(file), true, true).importedFiles.map(({ fileName }) => ({
    from: file,
    target: fileName.startsWith('.') ? normalize(join(dirname(file), fileName)).replace(/\.js$/, '.ts') : fileName
  }))
}

function breaksLayers({ from, target }: Import): boolean {
  if (!/^(src|test|lab|demo|bench)\//.test(target)) return false
  if (!target.startsWith('src/')) return true
  const [layer, wanted] = [layerOf(from), layerOf(target)]
  if (layer === wanted) return false
  if (wanted === 'daemon' && layer === 'cli') return true
  const allowed = mayImport[layer] ?? beneathAdapters
  return allowed !== 'everything' && !allowed.includes(wanted)
}

test('imports in src point downwards only, and adapters do not know each other', () => {
  const breaches = under('src', typescript).flatMap(importsOf).filter(breaksLayers)
  assertNone(breaches.map(({ from, target }) => `${from} imports ${target}`), 'layers')
})

test('the core and the configuration reader import no package; the core no part of Node', () => {
  const outside = (folder: string): Import[] => under(`src/${folder}`, typescript).flatMap(importsOf)
    .filter(({ target }) => !target.startsWith('src/'))
  const config = outside('config').filter(({ target }) => !target.startsWith('node:'))
  const core = outside('core')
  assertNone([...config, ...core].map(({ from, target }) => `${from} imports ${target}`), 'pure layers')
})

const bannedInCore = new Set(['Date', 'Promise', 'process', 'globalThis', 'performance', 'console', 'crypto',
  'fetch', 'require', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'structuredClone'])

/** A name counts where it is read from outside: not after a dot, not as the name of something declared here. */
function isFreeName(node: ts.Identifier): boolean {
  const parent = node.parent as ts.Node & { name?: ts.Node }
  return parent.name !== node
}

function bannedUses(file: string): string[] {
  const source = ts.createSourceFile(file, text(file), ts.ScriptTarget.Latest, true)
  const found: string[] = []
  const report = (node: ts.Node, what: string): void => {
    found.push(`${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${what}`)
  }
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && bannedInCore.has(node.text) && isFreeName(node)) report(node, node.text)
    if (ts.isPropertyAccessExpression(node) && node.getText() === 'Math.random') report(node, 'Math.random')
    if (node.kind === ts.SyntaxKind.AsyncKeyword || ts.isAwaitExpression(node)) report(node, 'async')
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

test('the core owns no clock, timer, chance or promise', () => {
  assertNone(under('src/core', typescript).flatMap(bannedUses), 'banned in src/core')
})

test('native/core knows neither Node nor the addon', () => {
  const directive = /^\s*#\s*include\s+[<"]([^>"]+)[>"]/gm
  const includes = (file: string): string[] => [...text(file).matchAll(directive)].map((match) => match[1] ?? '')
  const foreign = /^(napi|node|uv|v8|js_native|addon\/|native\/addon)/
  const breaches = [...under('native/core', cpp), ...under('native/abi', cpp)]
    .flatMap((file) => includes(file).filter((name) => foreign.test(name)).map((name) => `${file} includes ${name}`))
  assertNone(breaches, 'native layers')
})

// ---- sizes ----

test(`no hand-written file has more than ${fileLinesMax} lines`, () => {
  const length = (file: string): number => text(file).trimEnd().split('\n').length
  const long = handWritten.filter((file) => length(file) > fileLinesMax)
  assertNone(long.map((file) => `${file}: ${length(file)}`), 'file length')
})

test(`no line has more than ${columnsMax} columns`, () => {
  assertNone(linesWith(handWritten, new RegExp(`^.{${columnsMax + 1},}$`, 'u')), 'columns')
})

/** Blank lines and comments do not count: a reason must never be dropped to fit. */
function codeLines(body: string): number {
  return body.split('\n').filter((line) => !/^\s*($|\/\/|\/?\*)/.test(line)).length
}

function longScriptFunctions(file: string): string[] {
  const source = ts.createSourceFile(file, text(file), ts.ScriptTarget.Latest, true)
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    const isBody = ts.isFunctionLike(node) && 'body' in node && node.body !== undefined
    if (isBody && codeLines(node.getText()) > functionLinesMax) {
      const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1
      found.push(`${file}:${line}: ${codeLines(node.getText())} lines`)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

test(`no function has more than ${functionLinesMax} lines`, () => {
  const scriptFiles = [...typescript, ...scripts].filter((file) => !file.startsWith('test/'))
  const native = cpp.filter((file) => !file.startsWith('native/test/')).flatMap((file) => cppFunctions(text(file))
    .filter(({ body }) => codeLines(body) > functionLinesMax)
    .map(({ line, body }) => `${file}:${line}: ${codeLines(body)} lines`))
  assertNone([...scriptFiles.flatMap(longScriptFunctions), ...native], 'function length')
})

test('the C++ function finder sees functions, and only functions', () => {
  const sample = [
    'namespace a {', 'struct S {', '  S(int x) : x_{x} { use("}"); }', '  int get() const noexcept { return x_; }',
    '};', 'constexpr int kTable[] = {1, 2, f(3)};', 'auto Box::operator==(const Box& o) const -> bool {',
    '  if (o) {', '  }', "  return '{';", '}', 'template <typename T>', 'class Other final : public Base<T> {',
    '};', 'TEST_CASE("x {") {', '  // }', '}', '}'
  ].join('\n')
  assert.deepEqual(cppFunctions(sample).map(({ line }) => line), [3, 4, 7, 15])
})

// ---- lists that must agree ----

test('native/sources.gypi is pure JSON and names exactly the C++ files there are', () => {
  const { variables } = JSON.parse(text('native/sources.gypi')) as { variables: Record<string, string[]> }
  for (const [list, folder] of [
    ['core_sources', 'native/core'], ['addon_sources', 'native/addon'], ['guardian_sources', 'native/guardian'],
  ] as const) {
    const onDisk = under(folder, cpp).filter((file) => file.endsWith('.cc'))
    assert.deepEqual([...(variables[list] ?? [])].sort(), onDisk.sort(), list)
  }
})

interface Manifest {
  readonly scripts: Record<string, string>
  readonly bin: Record<string, string>
  readonly files: string[]
  readonly main: string
  readonly types: string
}

/** A file that is built stands for its source. */
function fileExists(path: string): boolean {
  const file = normalize(path)
  if (!file.startsWith('dist/')) return existsSync(join(root, file))
  return existsSync(join(root, file.slice('dist/'.length).replace(/(\.d\.ts|\.js)$/, '.ts')))
}

test('every file that package.json names exists', () => {
  const manifest = JSON.parse(text('package.json')) as Manifest
  const words = Object.values(manifest.scripts).flatMap((script) => script.split(/\s+/))
  const named = words.filter((word) => /\.(mjs|cjs|js|ts|json|sh)$/.test(word) && !word.includes('*'))
  const all = [...named, ...Object.values(manifest.bin), ...manifest.files, manifest.main, manifest.types]
  assertNone(all.filter((path) => !fileExists(path)), 'named in package.json')
})

test('the lock file names no host, and is of the packages in package.json', () => {
  const lock = JSON.parse(text('package-lock.json')) as { packages: Record<string, Record<string, unknown>> }
  const manifest = JSON.parse(text('package.json')) as Record<string, unknown>
  const hosts = Object.entries(lock.packages).filter(([, entry]) => 'resolved' in entry).map(([name]) => name)
  assertNone(hosts, 'packages with an address in package-lock.json')
  const kinds = ['dependencies', 'devDependencies', 'optionalDependencies'] as const
  for (const kind of kinds) assert.deepEqual(lock.packages['']?.[kind], manifest[kind], kind)
})

test('imported packages are those that package.json names', () => {
  const manifest = JSON.parse(text('package.json')) as Record<string, Record<string, string>>
  const runtime = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })
  const any = [...runtime, ...Object.keys(manifest.devDependencies ?? {})]
  const breaches = typescript.flatMap(importsOf).filter(({ from, target }) => {
    if (/^(src|test|lab|demo|bench)\//.test(target) || target.startsWith('node:')) return false
    const name = target.split('/').slice(0, target.startsWith('@') ? 2 : 1).join('/')
    return name !== 'twinbeat' && !(from.startsWith('src/') ? runtime : any).includes(name)
  })
  assertNone(breaches.map(({ from, target }) => `${from} imports ${target}`), 'packages')
})

// ---- words and names ----

const notProse = ['package-lock.json', 'test/tidy.test.ts']
const prose = allFiles.filter((file) => !binaryKind.test(file) && !notProse.includes(file))

test('nothing is left for later', () => {
  assertNone(linesWith(prose, /\b(TODO|FIXME|XXX)\b/), 'left for later')
})

test('the project speaks only of itself', () => {
  const paths = /(^|[^\w.])\/(work|farm)\/|\bshared\/(spec|design|tools|hooks)\b|\/root\/\./
  const names = /\bissue ?#?\d|registry\.npmjs/i
  assertNone([...linesWith(prose, paths), ...linesWith(prose, names)], 'words from elsewhere')
})

test('TypeScript files are kebab-case, C++ files snake_case', () => {
  const base = (file: string): string => file.split('/').at(-1) ?? ''
  const wrong = [
    ...[...typescript, ...scripts].filter((file) => !/^[a-z0-9]+([-.][a-z0-9]+)*\.(ts|mjs)$/.test(base(file))),
    ...cpp.filter((file) => !/^[a-z0-9]+(_[a-z0-9]+)*\.(cc|h)$/.test(base(file)))
  ]
  assertNone(wrong, 'file names')
})

test('src has named exports only', () => {
  assertNone(linesWith(under('src', typescript), /^export default\b/), 'default exports')
})
