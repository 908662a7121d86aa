export interface ExtraMount {
  hostPath: string;
  containerPath?: string;
  readonly?: boolean;
}

export interface Group {
  jid: string;
  name: string;
  folder: string;
  trigger: string;
  requiresTrigger: boolean;
  isMain: boolean;
  containerConfig?: { additionalMounts?: ExtraMount[]; timeout?: number };
}

export interface Message {
  id: string;
  chatJid: string;
  sender: string;
  senderName: string;
  content: string;
  timestamp: string;
}

export interface Task {
  id: string;
  group_folder: string;
  chat_jid: string;
  prompt: string;
  schedule_type: 'cron' | 'interval' | 'once';
  schedule_value: string;
  next_run: string | null;
  status: 'active' | 'paused' | 'completed';
  context_mode: 'group' | 'isolated';
  script?: string | null;
}

/** What the agent is told on stdin. */
export interface AgentInput {
  prompt: string;
  sessionId?: string;
  groupFolder: string;
  chatJid: string;
  isMain: boolean;
  isScheduledTask?: boolean;
  assistantName?: string;
  script?: string;
  secrets?: Record<string, string>;
}

/** What it says between two markers. */
export interface AgentOutput {
  status: 'success' | 'error';
  result: string | null;
  newSessionId?: string;
  error?: string;
}

export interface Channel {
  name: string;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  owns(jid: string): boolean;
  send(jid: string, text: string): Promise<void>;
  typing?(jid: string, on: boolean): Promise<void>;
}
