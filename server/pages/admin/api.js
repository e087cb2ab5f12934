/* Asks the server, with the token; whatever goes wrong becomes a Trouble with a sentence. */

import { named } from "./dom.js";
import { span } from "./words.js";

const KEY = "bytereel:admin-token";
const SENDABLE = /^[\x21-\x7e]+$/; // what a header can carry
const PATIENCE_MS = 30_000;
const SAVE_PATIENCE_MS = 15 * 60_000; // converting takes its time
const AGAIN_SECONDS = 5;

let token = recall();
let refused = () => {};

/* What kept the server from doing something. kind is token, off, locked, away, database,
   gone, taken, stopped, or refused where the sentence is all there is to say. */
export class Trouble extends Error {
  constructor(kind, sentence, seconds = 0) {
    super(sentence);
    this.kind = kind;
    this.seconds = seconds; // after which it may be over
  }

  /* Return what to show; the server's sentence may have a name in it. */
  tell() {
    return [named(this.message)];
  }
}

/* --- the token ----------------------------------------------------------- */

function recall() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return ""; // refused: then it lasts until a reload
  }
}

export const hasToken = () => token !== "";

export function keepToken(text) {
  token = text;
  try {
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
  } catch {} // the same
}

/* Hear when the server no longer takes the token of this session. */
export function whenRefused(listener) {
  refused = listener;
}

/* Keep a token if the server takes it. */
export async function signIn(text) {
  if (!SENDABLE.test(text)) {
    throw new Trouble("token", "This is not the token: one has neither spaces nor letters with accents.");
  }
  const overview = await request("overview", text);
  keepToken(text);
  return overview;
}

/* --- questions and answers ----------------------------------------------- */

/* Return what the server says; parameters without a value are left out. */
export function ask(path, { parameters = {}, ...options } = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const query = new URLSearchParams(given).toString();
  return request(query ? `${path}?${query}` : path, token, options);
}

async function request(path, sent, { method = "GET", json, text: plain, signal, slow = false } = {}) {
  const patience = AbortSignal.timeout(slow ? SAVE_PATIENCE_MS : PATIENCE_MS);
  const headers = { Authorization: `Bearer ${sent}` };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  if (plain !== undefined) headers["Content-Type"] = "text/plain";
  let response;
  let text;
  try {
    response = await fetch(`/v3/admin/${path}`, {
      method,
      headers,
      body: json === undefined ? plain : JSON.stringify(json),
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
    text = await response.text();
  } catch {
    if (signal?.aborted) throw new Trouble("stopped", "Stopped.");
    throw away();
  }
  return readAnswer(response.status, text, response.headers.get("Retry-After"), sent);
}

/* Return what an answer says; throw what it says went wrong. */
function readAnswer(status, text, after, sent) {
  const said = parse(text);
  if (status < 300) return said;
  const trouble = readTrouble(status, typeof said?.error === "string" ? said.error : "", Number(after) || AGAIN_SECONDS);
  if (trouble.kind === "token" && sent === token && token !== "") {
    keepToken("");
    refused();
  }
  throw trouble;
}

function readTrouble(status, sentence, seconds) {
  if (status === 401) return new Trouble("token", "This is not the server’s admin token.");
  if (status === 403) return new Trouble("off", "The server no longer has an admin token.");
  if (status === 404) return new Trouble("gone", sentence);
  if (status === 409) return new Trouble("taken", "Another clip has this name. Choose another name.");
  if (status === 429) return new Trouble("locked", tellLock(seconds), seconds);
  if (status === 503) return new Trouble("database", sentence || "The server is busy or without its database.", seconds);
  if (status === 507 && sentence) return new Trouble("refused", sentence);
  if (status === 502 || status === 504) return away(); // says what stands before the server
  if (status >= 500) return new Trouble("refused", `The server failed (status ${status}); its own messages say why.`);
  return new Trouble("refused", sentence || `The server refused this (status ${status}).`);
}

export function tellLock(seconds) {
  return `After too many wrong tokens the server lets nobody in from here for ${span(seconds)}.`;
}

function away() {
  const sentence = navigator.onLine
    ? "The server does not answer. It may be stopped or just starting again."
    : "You are offline.";
  return new Trouble("away", sentence, AGAIN_SECONDS);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // something between us and the server has answered
  }
}

/* --- uploads ------------------------------------------------------------- */

/* Send a file. Return its promise and how to stop it; heard gets the bytes sent. */
export function sendFile(file, name, heard) {
  const wire = new XMLHttpRequest(); // fetch tells nothing of what is sent
  const sent = token;
  const done = new Promise((resolve, reject) => {
    wire.open("POST", `/v3/admin/uploads?filename=${encodeURIComponent(name)}`);
    wire.setRequestHeader("Authorization", `Bearer ${sent}`);
    wire.setRequestHeader("Content-Type", "application/octet-stream");
    wire.upload.addEventListener("progress", ({ loaded }) => heard(loaded));
    wire.upload.addEventListener("load", () => heard(file.size));
    wire.addEventListener("abort", () => reject(new Trouble("stopped", "Stopped.")));
    wire.addEventListener("error", () => explainBreak(sent).then(reject));
    wire.addEventListener("load", () => {
      try {
        resolve(readAnswer(wire.status, wire.responseText, wire.getResponseHeader("Retry-After"), sent));
      } catch (trouble) {
        reject(trouble);
      }
    });
    wire.send(file);
  });
  return { done, stop: () => wire.abort() };
}

/* Return why an upload broke: an answer that came before its end is lost to browsers. */
async function explainBreak(sent) {
  if (sent !== token) return new Trouble("token", "The server no longer takes the token.");
  try {
    await ask("overview");
  } catch (trouble) {
    return trouble;
  }
  return new Trouble("refused", "The upload broke off: the connection was lost, or the file was changed or moved meanwhile.");
}
