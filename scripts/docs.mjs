// `npm run docs:reference`: writes the pages that are rendered from the program's own tables.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './node-home.mjs'

const built = join(root, 'dist', 'src', 'daemon', 'reference.js')
const { renderReference } = await import(pathToFileURL(built).href)
for (const [path, text] of renderReference()) {
  const file = join(root, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  console.log(path)
}
