import { SCHEDULER_POLL_INTERVAL } from './config.js';
import { getAllTasks, logTaskRun, updateTask } from './db.js';
import { nextRun } from './ipc.js';
import { logger } from './logger.js';
import type { Router } from './router.js';
import type { RegisteredGroup, Task } from './types.js';

/** A task is asked once, so its agent need not wait for more. */
const CLOSE_DELAY_MS = 10_000;

type Send = (jid: string, text: string) => Promise<void>;

async function perform(
  task: Task,
  group: RegisteredGroup,
  router: Router,
  send: Send,
): Promise<void> {
  logger.info({ taskId: task.id, group: group.folder }, 'Running scheduled task');
  const began = Date.now();
  const once = task.schedule_type === 'once';
  const next = once ? null : nextRun(task.schedule_type, task.schedule_value);
  updateTask(task.id, once ? 'completed' : 'active', next);
  let result: string | null = null;
  let closing: NodeJS.Timeout | undefined;
  const onOutput = async (one: { status: string; result: string | null }): Promise<void> => {
    if (one.result) {
      result = one.result;
      await send(task.chat_jid, one.result);
    }
    if (one.status === 'success') {
      closing ??= setTimeout(() => router.queue.close(group.folder), CLOSE_DELAY_MS);
    }
  };
  const output = await router.run(task.chat_jid, group, task.prompt, onOutput, task);
  clearTimeout(closing);
  logTaskRun(task.id, began, result, output.error ?? null);
}

export function startSchedulerLoop(router: Router, send: Send): void {
  const look = (): void => {
    for (const task of getAllTasks()) {
      const due = task.next_run !== null && Date.parse(task.next_run) <= Date.now();
      const group = router.groups()[task.chat_jid];
      if (task.status === 'active' && due && group) {
        router.queue.task(group.folder, task.id, () => perform(task, group, router, send));
      }
    }
    setTimeout(look, SCHEDULER_POLL_INTERVAL);
  };
  look();
  logger.info('Scheduler loop started');
}
