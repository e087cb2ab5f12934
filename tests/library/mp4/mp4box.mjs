// For each line of input, the path of a file, writes a line of JSON: the tracks of the
// file with their samples, or null if mp4box cannot read it.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createFile, Log, MP4BoxBuffer } from "mp4box";

Log.setLogLevel(Log.LOG_LEVEL_ERROR);

// Whether the table of times is for these samples, and that of keys in order.
function isCoherent({ stts, stss }, total) {
  const timed = stts.sample_counts.reduce((sum, count) => sum + count, 0);
  const keys = stss?.sample_numbers ?? [];
  return timed === total && keys.every((key, at) => at === 0 || key > keys[at - 1]);
}

function readTracks(path) {
  const bytes = readFileSync(path);
  const body = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const file = createFile();
  let isBroken = false;
  file.onError = () => {
    isBroken = true;
  };
  file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(body, 0), true);
  file.flush();
  if (isBroken || !file.moov) {
    return null;
  }
  file.buildSampleLists();
  return file.moov.traks.map((trak) => ({
    handler: trak.mdia.hdlr.handler ?? "",
    isCoherent: isCoherent(trak.mdia.minf.stbl, trak.samples.length),
    samples: trak.samples
      .filter((sample) => sample.moof_number === undefined)
      .map((sample) => [
        sample.offset,
        sample.size,
        sample.dts,
        sample.cts,
        sample.duration,
        sample.is_sync,
      ]),
  }));
}

for await (const path of createInterface({ input: process.stdin })) {
  let tracks = null;
  try {
    tracks = readTracks(path);
  } catch {
    // It is no file that mp4box can read.
  }
  process.stdout.write(`${JSON.stringify(tracks)}\n`);
}
