import { readFile } from 'node:fs/promises'

/** The processes that a process has started (proc(5), `/proc/[pid]/task/[tid]/children`); none where that is unknown. */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return list.split(' ').filter(Boolean).map(Number)
}
