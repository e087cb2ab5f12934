"""The plan's Flask handler, for gunicorn: whole videos, a connection a request."""

import logging
import os
from contextlib import closing

import psycopg2
from flask import Flask, Response, jsonify, make_response

FIND = """
    SELECT video_data, mime_type, filename, file_size_bytes
      FROM videos
     WHERE id = %s
"""


def get_video(video_id: int) -> Response | tuple[Response, int]:
    """Send the video, whatever range was asked for."""
    try:
        with (
            closing(psycopg2.connect(os.environ["DATABASE_URL"])) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(FIND, (video_id,))
            row = cursor.fetchone()
            if row is None:
                return jsonify({"error": "Video not found"}), 404
            video_data, mime_type, filename, size = row
            response = make_response(bytes(video_data))
            response.headers["Content-Type"] = mime_type
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
            response.headers["Accept-Ranges"] = "bytes"
            response.headers["ETag"] = f"video-{video_id}"
            response.headers["Content-Length"] = str(size)
            response.headers["Content-Disposition"] = f'inline; filename="{filename}"'
            return response
    except psycopg2.Error:
        logging.exception("video %s", video_id)
        return jsonify({"error": "Internal server error"}), 500


app = Flask(__name__)
app.add_url_rule("/v3/videos/<int:video_id>", view_func=get_video)
