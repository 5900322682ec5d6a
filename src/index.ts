export { micros, nodeId, groupId } from './core/base/ids.js'
export type { Micros, NodeId, GroupId } from './core/base/ids.js'
