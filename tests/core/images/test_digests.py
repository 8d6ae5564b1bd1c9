import numpy as np

from featcx_core.images import digests
from featcx_core.images.data import (
    load_data,
)
from tests.core.images.sources import folder, of_folder, picture


def test_a_file_that_is_added_changed_or_removed_makes_stale(tmp_path):
    settings = of_folder(folder(tmp_path)).data
    seen = [digests.content_digest(settings)]

    def again() -> str:
        seen.append(digests.content_digest(settings))
        return seen[-1]

    assert again() == seen[0]
    (tmp_path / "readme.txt").write_text("counts for nothing")
    assert again() == seen[0]
    picture(np.random.default_rng(3)).save(tmp_path / "cat" / "000.png")
    picture(np.random.default_rng(4)).save(tmp_path / "cat" / "new.png")
    after = again()
    assert after != seen[0]
    assert load_data(of_folder(tmp_path)).images.shape[0] == 21
    (tmp_path / "cat" / "new.png").unlink()
    assert again() not in (seen[0], after)
    assert load_data(of_folder(tmp_path)).images.shape[0] == 20
