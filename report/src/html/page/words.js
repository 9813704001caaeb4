// Numbers and moments in words: exact, with commas, and scaled where a glance must do.

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** `1,234,567`; a real minus sign, which is as wide as a plus. */
function grouped(number) {
  const digits = String(Math.abs(Math.round(number))).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return (number < 0 ? "\u2212" : "") + digits;
}

/** `1 block`, `2 blocks`. */
function count(number, noun) {
  const plural = noun.endsWith("ss") ? noun + "es" : noun.endsWith("y") ? noun.slice(0, -1) + "ies" : noun + "s";
  return `${grouped(number)} ${Math.abs(number) === 1 ? noun : plural}`;
}

/** `6.6 KiB`; below a KiB the number itself. */
function scaled(bytes) {
  let rest = Math.abs(bytes), unit = -1;
  while (rest >= 1024 && unit < UNITS.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  if (unit < 0) return count(bytes, "byte");
  return `${bytes < 0 ? "\u2212" : ""}${rest < 100 ? rest.toFixed(1) : Math.round(rest)} ${UNITS[unit]}`;
}

/** `6,789 bytes (6.6 KiB)`. */
function bytes(number) {
  return Math.abs(number) < 1024 ? count(number, "byte") : `${count(number, "byte")} (${scaled(number)})`;
}

/** `+1,234`, `0`. */
function signed(number) {
  return (number > 0 ? "+" : "") + grouped(number);
}

/** `12.3 %` of a whole. */
function share(part, whole) {
  if (!(whole > 0)) return "";
  const percent = (100 * part) / whole;
  return `${percent >= 99.95 || percent === 0 ? Math.round(percent) : percent < 0.1 ? "< 0.1" : percent.toFixed(1)} %`;
}

/** Microseconds as a time that can be read: `3.2 s`, `4 min 5 s`. */
function moment(microseconds) {
  const seconds = microseconds / 1e6;
  if (seconds < 0.001) return `${Math.round(microseconds)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(seconds < 0.1 ? 1 : 0)} ms`;
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** The last part of a path. */
function base(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}
