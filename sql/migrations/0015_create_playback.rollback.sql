-- The numbers go: they are of no use to the version before, which knows none.
DROP TABLE playback;
