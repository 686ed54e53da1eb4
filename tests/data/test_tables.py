import numpy as np

from foregaze.data.tables import join_tables, scanpath_table, unordered_table


def test_tables_join_in_the_order_of_their_images():
    first = scanpath_table(3, np.array([1.0, 2.0]), np.array([5, 6]), np.array([100, 200]))
    empty = unordered_table(np.zeros(0), np.zeros(0))
    last = unordered_table(np.array([7.5, 8.5]), np.array([9.5, 9.5]))
    f = join_tables([first, empty, last])
    assert f.image.tolist() == [0, 0, 2, 2]
    assert f.observer.tolist() == [3, 3, 0, 0]
    assert f.order.tolist() == [0, 1, 0, 0]
    assert f.x.tolist() == [1.0, 2.0, 7.5, 8.5]
    assert f.y.tolist() == [5.0, 6.0, 9.5, 9.5]
    assert f.duration_ms[:2].tolist() == [100.0, 200.0]
    assert np.isnan(f.duration_ms[2:]).all()
