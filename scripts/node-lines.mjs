// Other Node lines on one machine: the npm package that carries a Node binary, kept in .cache.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDir, fetchPackage, nodePackageName } from './node-home.mjs'

/** The lines that the addon must load on: one binary for all, by Node-API. */
export const nodeLines = /** @type {const} */ (['20', '22', '24'])

/** @param {string} line a major version @returns {string} path of a node binary of that line */
export function nodeOfLine(line) {
  if (process.versions.node.split('.')[0] === line) return process.execPath
  const dir = join(cacheDir, `node-${process.arch}-${line}`)
  const binary = join(dir, 'node_modules', nodePackageName(), 'bin', 'node')
  if (!existsSync(binary)) fetchPackage(`${nodePackageName()}@${line}`, dir)
  return binary
}
