"""A server with the shape of two APIs of CI systems, written from their references: one question of each.

`python -m tests.wire.federation.ci_apis` listens on a free loopback port and prints `CI APIs at URL`. Sources: GitHub REST
API reference, "Get a workflow run" (status, conclusion, run_attempt, run_started_at, updated_at, repository; bearer
token; 404 for what the token may not see), GitLab Jobs API, "Get a single job" (status, finished_at, pipeline;
`PRIVATE-TOKEN`). The real services were not asked.
"""

from __future__ import annotations

import socket
import sys

from flask import Flask, jsonify, redirect, request
from werkzeug.serving import make_server

GITHUB_TOKEN = "ghs_of_this_server"
GITLAB_TOKEN = "glpat-of-this-server"
app = Flask(__name__)
world: dict = {"runs": {}, "jobs": {}, "mode": ""}
asked: list[dict] = []


@app.before_request
def note():
    if request.path.startswith("/-/"):
        return None
    asked.append({"path": request.path, "headers": {name.lower(): value for name, value in request.headers.items()}})
    match world["mode"]:
        case "redirect":
            return redirect("http://127.0.0.1:9/elsewhere")
        case "broken":
            return "{", 200, {"content-type": "application/json"}
        case "huge":
            return b"[" + b" " * (1 << 20) + b"]", 200, {"content-type": "application/json"}
        case "down":
            return jsonify({"message": "Server Error"}), 502
    return None


@app.put("/-/world")
def put_world():
    world.update(request.get_json())
    return "", 204


@app.get("/-/asked")
def get_asked():
    return jsonify(asked)


@app.get("/api/v3/repos/<owner>/<repository>/actions/runs/<int:run_id>")
def workflow_run(owner, repository, run_id):
    found = world["runs"].get(f"{owner}/{repository}/{run_id}")
    if found is None or request.headers.get("authorization") != f"Bearer {GITHUB_TOKEN}":
        return jsonify(
            {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}
        ), 404
    shown = {
        "id": run_id,
        "name": "Deploy",
        "node_id": "WFR_kwLOAPKyAQ8",
        "head_branch": "main",
        "head_sha": "acb5820ced9479c074f688cc328bf03f341a511d",
        "path": ".github/workflows/deploy.yml",
        "run_number": 562,
        "event": "push",
        "status": "in_progress",
        "conclusion": None,
        "workflow_id": 159038,
        "html_url": f"https://github.com/{owner}/{repository}/actions/runs/{run_id}",
        "created_at": "2026-01-22T19:33:08Z",
        "updated_at": "2026-01-22T19:33:08Z",
        "run_started_at": "2026-01-22T19:33:08Z",
        "run_attempt": 1,
        "pull_requests": [],
        "repository": {"id": 1001, "name": repository, "full_name": f"{owner}/{repository}", "private": True},
    }
    return jsonify(shown | found)


@app.get("/api/v4/projects/<int:project_id>/jobs/<int:job_id>")
def single_job(project_id, job_id):
    if request.headers.get("private-token") != GITLAB_TOKEN:
        return jsonify({"message": "401 Unauthorized"}), 401
    found = world["jobs"].get(f"{project_id}/{job_id}")
    if found is None:
        return jsonify({"message": "404 Not found"}), 404
    shown = {
        "id": job_id,
        "status": "running",
        "stage": "deploy",
        "name": "apply",
        "ref": "main",
        "tag": False,
        "allow_failure": False,
        "created_at": "2026-01-22T19:33:00.000Z",
        "started_at": "2026-01-22T19:33:08.250Z",
        "finished_at": None,
        "erased_at": None,
        "duration": 17.0,
        "pipeline": {"id": 6, "project_id": project_id, "ref": "main", "sha": "0ff3ae198f8601a", "status": "running"},
        "web_url": f"https://gitlab.example.com/acme/app/-/jobs/{job_id}",
    }
    return jsonify(shown | found)


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listening = make_server("127.0.0.1", port, app, threaded=True)
    print(f"CI APIs at http://127.0.0.1:{port}", flush=True)
    listening.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
