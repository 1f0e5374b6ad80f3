"""reader/* and clean/*: raw files to clips, and which bodies make one."""

import numpy as np

from parity.shapes import ctvm
from skeljax.data import clean
from skeljax.data.store import fit_bodies
from skeljax.readers import kinetics, ntu


def content(file) -> bytes:
    """Bytes given as an array, or as a file beside the case."""
    return file.read_bytes() if hasattr(file, "read_bytes") else bytes(file)


def ntu_listed(given, *, max_body: int = 2, num_joint: int = 25):
    recording = ntu.parse(content(given["file"]), "clip.skeleton")
    bodies = clean.by_slot(recording, max_body)[:, :, :num_joint]
    return {"data": ctvm(fit_bodies(bodies, max_body))}


def ntu_energy(given):
    clip = clean.energetic(ntu.parse(content(given["file"]), "clip.skeleton"))
    return {"data": ctvm(fit_bodies(clip.keypoints, 2))}


def ntu_pyskl(given, *, name: str):
    recording = ntu.parse(content(given["file"]), name)
    clip, tracks = clean.pyskl(recording), clean.tracks(recording)
    return {
        "keypoint": clip.keypoints.astype(np.float16),
        "total_frames": clip.keypoints.shape[1],
        "label": clip.label,
        "body_motion": np.array([track.motion for track in tracks]),
        "body_start": np.array([track.start for track in tracks]),
        "body_frames": np.array([len(track.points) for track in tracks]),
        "body_ids": np.array([track.id for track in tracks]),
    }


def clean_pyskl(given):
    tracks = [clean.track(x, int(start)) for x, start in zip(given["kpt"], given["start"])]
    motion = [track.motion for track in tracks]
    return {"motion": motion, "keypoint": clean.pyskl_keypoints(tracks)}


def columns(x) -> np.ndarray:
    """(M,T,25,3) as CTR-GCN's rows (T, 75 M)."""
    return x.transpose(1, 0, 2, 3).reshape(x.shape[1], -1)


def clean_ctrgcn(given, *, max_frames: int, name: str):
    recording = ntu.parse(bytes(given["skeleton_text"]), name)
    tracks, kept = clean.tracks(recording), clean.denoise(clean.tracks(recording))
    valid = np.unique(recording.frame)
    clip = clean.ctrgcn(recording)
    found = {
        "num_valid_frames": len(valid),
        "dropped_frames": np.setdiff1d(np.arange(recording.num_frames), valid),
        "raw/body_ids": np.array([track.id for track in tracks]),
        "denoised/kept_ids": np.array([track.id for track in kept]),
        "denoised/kept_motion": np.array([track.motion for track in kept]),
        "denoised/joints_before_missing": columns(clean.actors(recording, drop_empty=False)),
        "denoised/joints": columns(clean.actors(recording)),
        "translated": columns(clip.keypoints),
        "aligned_rows": max_frames,
        "final": columns(fit_bodies(clip.keypoints, 2)),
        "final_ntu120": columns(np.resize(clip.keypoints, (2, *clip.keypoints.shape[1:]))),
    }
    for i, track in enumerate(tracks):
        found[f"raw/{i}/joints"] = track.points
        found[f"raw/{i}/interval"] = np.arange(track.start, track.stop)
        found[f"raw/{i}/motion"] = track.motion
    return found


def kinetics_stgcn(
    given, *, num_person_in: int, num_person_out: int, window_size: int, frames_stored: int
):
    clip = kinetics.parse_openpose(bytes(given["json"]), "clip.json")
    x = kinetics.best_scored(clip.keypoints[:num_person_in], num_person_out)
    whole = np.zeros((num_person_out, window_size, *x.shape[2:]), np.float32)
    whole[: len(x), : x.shape[1]] = x[:, :window_size]
    data = ctvm(whole)
    return {"data": data[:, :frames_stored], "shape": np.array(data.shape), "label": clip.label}


def decompress_pose(
    given, *, squeeze: bool, max_person: int = 10, box_threshold: float | None = None
):
    x, score = kinetics.decompress(
        given["frame_inds"], given["keypoint"], given["box_score"], int(given["total_frames"]),
        squeeze, max_person, box_threshold,
    )  # fmt: skip
    return {"keypoint": x, "keypoint_score": score, "total_frames": x.shape[1]}


KINDS = {
    "reader/kinetics_stgcn": kinetics_stgcn,
    "format/decompress_pose": decompress_pose,
    "reader/ntu_listed": ntu_listed,
    "reader/ntu_energy": ntu_energy,
    "reader/ntu_pyskl": ntu_pyskl,
    "clean/ntu_pyskl": clean_pyskl,
    "clean/ntu_ctrgcn": clean_ctrgcn,
}
