-- The numbers go, and with them what keeps them from doubling.
DROP TABLE view_senders;
DROP TABLE video_views;
