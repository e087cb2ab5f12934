-- The numbers go.
DROP TABLE playback;
