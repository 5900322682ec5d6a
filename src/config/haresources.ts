// haresources: lines to groups of words with places. Comments go first and continuation second, so a
// backslash inside a comment joins nothing and a comment ends a continued line.

import type { Reporter } from './diagnostics.js'
import { kBlank, splitLines, splitWords, withoutComment, type Word } from './lexer.js'

export interface GroupLine {
  readonly home: Word
  readonly resources: readonly Word[]
}

export const kGroupsMax = 200
export const kGroupMembersMax = 100

export function readHaresources(text: string, report: Reporter): GroupLine[] {
  const groups: GroupLine[] = []
  let joined: Word[] = []
  let open: { line: number; column: number } | null = null
  const lines = splitLines(text)
  lines.forEach((raw, index) => {
    const bare = withoutComment(raw)
    const continued = /\\[ \t\r]*$/.exec(bare)
    joined.push(
      ...splitWords(continued === null ? bare : bare.slice(0, continued.index), index + 1, 1, kBlank),
    )
    open = continued === null ? null : { line: index + 1, column: continued.index + 1 }
    if (continued !== null && raw.length > bare.length) {
      report.warning(
        'TB_CONFIG_SYNTAX',
        open,
        'a comment behind the backslash',
        'put the comment on a line of its own, above the group',
      )
    }
    if (open === null) {
      finishGroup(joined, groups, report)
      joined = []
    }
  })
  if (open !== null) {
    report.warning(
      'TB_CONFIG_SYNTAX',
      open,
      'the file ends in the middle of a group',
      'remove the backslash or add the rest',
    )
    finishGroup(joined, groups, report)
  }
  return groups
}

function finishGroup(words: readonly Word[], groups: GroupLine[], report: Reporter): void {
  const [home, ...resources] = words
  if (home === undefined) return
  if (resources.length === 0) {
    report.warning(
      'TB_CONFIG_GROUP',
      home,
      `no resources follow '${home.text}'`,
      'a line is the name of the home node and then the resources of one group',
    )
  }
  if (resources.length > kGroupMembersMax) {
    report.error(
      'TB_CONFIG_GROUP',
      home,
      `more than ${kGroupMembersMax} resources in one group`,
      'split the group',
    )
    return
  }
  if (groups.length === kGroupsMax) {
    report.error('TB_CONFIG_GROUP', home, `more than ${kGroupsMax} groups`, null)
  }
  if (groups.length < kGroupsMax) groups.push({ home, resources })
}
