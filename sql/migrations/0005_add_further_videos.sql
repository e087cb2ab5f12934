-- A definition or question may have more than the one video of video_id; apps that know
-- only that one see no difference.

-- The videos of a definition behind its first.
CREATE TABLE definition_videos (
    definition_id BIGINT REFERENCES definitions (id) ON DELETE CASCADE,
    position INTEGER,
    video_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    PRIMARY KEY (definition_id, position),
    UNIQUE (definition_id, video_id)
);

-- Finds the definitions that show a video, which its deletion takes from them.
CREATE INDEX idx_definition_videos_video ON definition_videos (video_id);

-- The videos of a question behind its first.
CREATE TABLE question_videos (
    question_id BIGINT REFERENCES test_questions (id) ON DELETE CASCADE,
    position INTEGER,
    video_id INTEGER NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    PRIMARY KEY (question_id, position),
    UNIQUE (question_id, video_id)
);

-- Finds the questions that show a video, which its deletion takes from them.
CREATE INDEX idx_question_videos_video ON question_videos (video_id);
