/* Captions in up to two languages, as the learner chooses; drawn here and not by the
   browser, which sets them too small on a clip of a phone's width. */

const CHOSEN = "captions";
const LANGUAGES_MAX = 2;

/* What the learner has chosen: { shown, languages }. */
export class Captions {
  constructor(store) {
    this.store = store;
    this.offered = new Map(); // language → label, of the clips of a batch
    this.listeners = [];
  }

  get chosen() {
    return this.store.get(CHOSEN) ?? { shown: false, languages: [] };
  }

  /* Return the languages to show now. */
  get languages() {
    const { shown, languages } = this.chosen;
    return shown ? languages : [];
  }

  choose(languages) {
    const wanted = [...new Set(languages.filter((language) => language !== ""))].slice(0, LANGUAGES_MAX);
    // What was chosen last comes again when they are turned on.
    this.set({ shown: wanted.length > 0, languages: wanted.length > 0 ? wanted : this.chosen.languages });
  }

  /* Turn them on or off; on for a clip in no chosen language shows the likeliest. */
  toggle(captions) {
    const { shown, languages } = this.chosen;
    const there = captions.some(({ language }) => languages.includes(language));
    if (shown && there) this.set({ shown: false, languages });
    else this.set({ shown: true, languages: there ? languages : [pickLanguage(captions, navigator.languages)] });
  }

  set(chosen) {
    this.store.set(CHOSEN, chosen);
    for (const changed of this.listeners) changed();
  }

  offer(clips) {
    const all = clips.flatMap(({ captions }) => captions);
    this.offered = new Map(all.map(({ language, label }) => [language, label]));
  }

  /* Return the addresses of a clip's captions that are to be kept with it. */
  addressesOf({ captions }) {
    return captions.filter(({ language }) => this.languages.includes(language)).map(({ url }) => url);
  }
}

/* Shows the captions of one player's clip. */
export class Cues {
  constructor(root, video, captions) {
    this.video = video;
    this.captions = captions;
    this.lines = root.querySelector("[data-cues]");
    this.button = root.querySelector("[data-captions]");
    this.of = [];
    this.button.addEventListener("click", () => captions.toggle(this.of));
    captions.listeners.push(() => this.render());
  }

  /* Take the captions of a clip for those to choose from. */
  show(captions) {
    this.of = captions;
    this.render();
  }

  render() {
    for (const track of this.video.querySelectorAll("track")) track.remove();
    const found = this.captions.languages.flatMap((wanted) => this.of.filter(({ language }) => language === wanted));
    this.lines.replaceChildren(...found.map((captions) => this.addTrack(captions)));
    this.button.hidden = this.of.length === 0;
    this.button.setAttribute("aria-pressed", String(found.length > 0));
  }

  /* Load captions; return the line that shows them. */
  addTrack({ language, label, url }) {
    const line = document.createElement("p");
    line.lang = language;
    line.dir = "auto";
    const track = document.createElement("track");
    Object.assign(track, { kind: "captions", srclang: language, label, src: url });
    this.video.append(track);
    track.track.mode = "hidden"; // it is loaded and tells its cues
    track.track.addEventListener("cuechange", ({ target }) => {
      line.replaceChildren(...[...target.activeCues].flatMap((cue, number) => {
        const text = cue.getCueAsHTML();
        return number === 0 ? [text] : [document.createElement("br"), text];
      }));
    });
    return line;
  }
}

/* Return the language of those offered that a person who reads these would choose. */
export function pickLanguage(captions, preferred) {
  const offered = captions.map(({ language }) => language);
  const primary = (tag) => tag.toLowerCase().split("-")[0];
  for (const wanted of preferred) {
    const found = offered.find((tag) => tag.toLowerCase() === wanted.toLowerCase())
      ?? offered.find((tag) => primary(tag) === primary(wanted));
    if (found) return found;
  }
  return offered[0];
}
