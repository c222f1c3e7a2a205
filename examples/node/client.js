// A small client: calls as promises, streams as async iterators, commits that count once, transactions that try again.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { messages } from './contract.js';
import { StatehouseError, fromServiceError } from './errors.js';

const { StatehouseService } = loadPackageDefinition(messages).statehouse.v1;

// A transaction may have 32 MiB; gRPC takes 4 MiB unless it is told otherwise.
const MESSAGE_BYTES_MAX = 36 * 1024 * 1024;
const FIRST_WAIT_MS = 50;
const LAST_WAIT_MS = 2000;

export class Statehouse {
  /** @param {string} url - "localhost:50051", "statehouse://host:port" or "unix:/path". */
  constructor(url) {
    this.service = new StatehouseService(url.replace(/^statehouse:\/\//, ''), credentials.createInsecure(), {
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    });
  }

  /** Gives the answer to one call, once. */
  call(method, request = {}, timeoutMs = 30_000) {
    return new Promise((resolve, reject) => {
      this.service[method](request, { deadline: Date.now() + timeoutMs }, (error, answer) => {
        if (error) reject(fromServiceError(error));
        else resolve(answer);
      });
    });
  }

  /** Gives each message of a stream. Leaving the loop ends the stream. */
  async *stream(method, request) {
    const call = this.service[method](request);
    // Said also when the stream is left, and then nobody is waiting for it.
    call.on('error', () => {});
    try {
      yield* call;
    } catch (error) {
      throw fromServiceError(error);
    } finally {
      call.cancel();
    }
  }

  /** Commits, and sends the same again until there is an answer: with one txn_id it is applied once. */
  async commit(request, timeoutMs = 30_000) {
    const deadline = Date.now() + timeoutMs;
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LAST_WAIT_MS)) {
      try {
        return await this.call('commitTransaction', request, deadline - Date.now());
      } catch (error) {
        const left = deadline - Date.now();
        if (!(error instanceof StatehouseError && error.sameAgain) || left <= wait) throw error;
        await sleep(Math.max(wait, 1000 * (error.details.retry_after ?? 0)));
      }
    }
  }

  /**
   * Reads, decides and commits; begins again when what was read has changed meanwhile.
   *
   * @param {(attempt: number) => Promise<object>} decide - Gives what a CommitTransactionRequest says: what was read
   *   (`readTs`, `reads`) and what to do (`changes`).
   * @param {(error: StatehouseError) => void} refused - Is told why it begins again.
   */
  async transact(decide, refused = () => {}, attempts = 5) {
    for (let attempt = 1; ; attempt += 1) {
      const request = await decide(attempt);
      try {
        return await this.commit({ txnId: randomUUID(), ...request });
      } catch (error) {
        if (!error.newTransaction || attempt === attempts) throw error;
        refused(error);
      }
    }
  }

  close() {
    this.service.close();
  }
}
