-- Only the first video of each is left.
DROP TABLE question_videos;
DROP TABLE definition_videos;
